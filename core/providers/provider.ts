/**
 * What is particular to one kind of provider: the dialects that its servers speak, where and how they are
 * asked, and what the gateway itself adds to a body. Pure functions; the wire is an adapter's.
 */
import type { Provider } from '../catalog/snapshot.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { ChatRules } from '../dialects/openai/chat-rules.ts';
import type { Priority } from '../tenancy/priority.ts';

export interface ProviderAdapter {
  /** The dialect that serves translated calls best comes first. */
  readonly speaks: readonly Dialect[] | ((provider: Provider) => readonly Dialect[]);
  /** Fields that only the gateway may set. No caller can choose or learn them. */
  extra?(facts: ExtraFacts): Readonly<Record<string, unknown>>;
  /** The server's cache is shared by all its callers: `extra` needs the gateway's secret to part them. */
  readonly sharesCache?: true;
  /** How the servers' chat requests differ from OpenAI's own; absent where they do not. */
  readonly chatRules?: ChatRules;
  /** The one name that the server has for the maximum of output tokens in chat; absent where it knows both. */
  maxTokensField?(provider: Provider): 'max_tokens' | 'max_completion_tokens';
  request(dispatch: Dispatch): UpstreamCall;
}

export interface ExtraFacts {
  readonly provider: Provider;
  readonly dialect: Dialect;
  readonly tenantId: string;
  readonly priority: Priority;
  /** Undefined where the adapter's `sharesCache` is. */
  readonly cacheSecret: string | undefined;
}

export interface Dispatch {
  readonly provider: Provider;
  readonly dialect: Dialect;
  /** Absent: the model answers. */
  readonly task?: 'count-tokens' | undefined;
  readonly model: string;
  readonly stream: boolean;
  /** The provider key's value; undefined where the server wants none. */
  readonly apiKey: string | undefined;
  readonly requestId: string;
}

export interface UpstreamCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For AWS's own services: signed with the function's role by whoever sends it. */
  readonly sign?: AwsSignature;
}

export interface AwsSignature {
  /** As the signature names it, which is not always how the host does. */
  readonly service: string;
  readonly region: string;
}
