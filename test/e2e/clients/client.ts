/**
 * An official client as applications use it, behind one small interface, so that each feature of the matrix is
 * written once. Every client is set up with a base URL and a virtual key, and nothing else.
 */
export interface Client {
  readonly name: string;
  ask(place: Place, request: Ask): Promise<Said>;
}

export interface Place {
  /** Of the gateway, without a path. */
  readonly url: string;
  readonly key: string;
  /** An alias of the policy. */
  readonly model: string;
}

export interface Ask {
  readonly prompt: string;
  readonly stream: boolean;
  /** Instructions; marked for the provider's cache where the client's dialect can say so. */
  readonly system?: string;
  readonly tools?: readonly ToolOffer[];
  readonly schema?: Schema;
  /** A PNG in base64. */
  readonly image?: string;
  readonly thinks?: boolean;
  readonly signal?: AbortSignal;
  /** Told of the first piece of a streamed answer. */
  readonly onFirst?: () => void;
}

export interface Schema {
  readonly [keyword: string]: unknown;
  readonly type: 'object';
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: string[];
  readonly additionalProperties: false;
}

interface ToolOffer {
  readonly name: string;
  readonly schema: Schema;
}

export interface Said {
  readonly text: string;
  /** Thoughts that were shown. */
  readonly thinking: string;
  readonly calls: readonly ToolCall[];
  readonly usage: Usage;
  /** The next answer, after the results of the tools that were called, in their order. */
  withResults(results: readonly string[]): Promise<Said>;
}

interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
}

/** As the client tells it; undefined where it tells nothing. Input includes what was cached. */
interface Usage {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly cached: number | undefined;
  readonly thinking: number | undefined;
}

/** A piece of the request's own kind where the request asks for it. */
export function given<Value, Fields extends object>(
  value: Value | undefined,
  fields: (value: Value) => Fields,
): Fields | Record<string, never> {
  return value === undefined ? {} : fields(value);
}
