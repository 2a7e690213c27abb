/**
 * What is particular to one kind of provider: the dialects that its servers speak, where and how they are
 * asked, and what the gateway itself adds to a body. Pure functions; the wire is an adapter's.
 */
import type { Provider } from '../catalog/snapshot.ts';
import type { Dialect } from '../dialects/dialect.ts';

export interface ProviderAdapter {
  /** The dialect that serves translated calls best comes first. */
  readonly speaks: readonly Dialect[];
  /** Fields that only the gateway may set. No caller can choose or learn them. */
  extra?(facts: ExtraFacts): Readonly<Record<string, unknown>>;
  request(dispatch: Dispatch): UpstreamCall;
}

export interface ExtraFacts {
  readonly provider: Provider;
  readonly dialect: Dialect;
  /** The provider key's value; undefined where the server wants none. */
  readonly apiKey: string | undefined;
  readonly tenantId: string;
}

export interface Dispatch {
  readonly provider: Provider;
  readonly dialect: Dialect;
  /** Absent: the model answers. */
  readonly task?: 'count-tokens' | undefined;
  readonly model: string;
  readonly stream: boolean;
  readonly apiKey: string | undefined;
  readonly requestId: string;
}

export interface UpstreamCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
