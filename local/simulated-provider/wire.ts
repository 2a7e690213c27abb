/** What a dialect of the provider is to the rest of it: a reader of requests, and a writer of answers. */
import type { Answer } from './answer.ts';
import type { Behaviour, Fault } from './behaviour.ts';
import type { Invalid, Question } from './question.ts';

/** Kinds of servers that speak a dialect each in their own way. */
export type Flavour =
  | 'openai'
  | 'openai-compatible'
  | 'vllm'
  | 'azure-openai'
  | 'anthropic'
  | 'bedrock';

/** Where a call came in, and what its address says of it. */
export interface Endpoint {
  readonly flavour: Flavour;
  readonly dialect: Dialect;
  /** The model, where it stands in the path. */
  readonly model?: string;
  /** Whether the answer is streamed, where the path says so. */
  readonly stream?: boolean;
}

export interface Dialect {
  readonly name: string;
  readonly idPrefix: string;
  /** Prompts are cached without marks. */
  readonly cachesAlone: boolean;
  read(body: string, endpoint: Endpoint): Invalid | Asked;
  error(status: number, error: WireError, flavour: Flavour): ErrorAnswer;
}

export interface ErrorAnswer {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param?: string | null;
  readonly code?: string | null;
}

/** A request that was understood. */
export interface Asked {
  readonly kind: 'ok';
  readonly question: Question;
  readonly stream: boolean;
  open(answer: Answer, call: Call): Wire;
}

export interface Call {
  readonly id: string;
  readonly model: string;
  readonly flavour: Flavour;
  /** Epoch seconds. */
  readonly created: number;
  readonly behaviour: Behaviour;
}

/** An answer in a dialect's bytes. */
export interface Wire {
  readonly contentType: string;
  whole(): string;
  /** Absent where the dialect streams nothing. */
  readonly stream?: StreamWire;
}

export interface StreamWire {
  events(): Iterable<WireEvent>;
  /** What it says when the model dies in the middle. */
  readonly failure: readonly (string | Buffer)[];
  readonly halfAnEvent: string | Buffer;
  readonly invalidUtf8: Buffer;
}

/** One event of a healthy stream, and what it is, so that a fault can find its place. */
export interface WireEvent {
  readonly is: readonly ('begin' | 'content' | 'finish' | 'usage' | 'done')[];
  readonly bytes: string | Buffer;
  /** Output tokens that this event brings, thinking included. */
  readonly tokens: number;
}

const NAN = '@NaN@';

/** The usage as the fault has it told: true, wrong or not at all. */
export function toldUsage<Usage extends object>(usage: Usage, fault: Fault | undefined): unknown {
  switch (fault) {
    case 'no-usage':
      return undefined;
    case 'usage-negative':
      return eachNumber(usage, () => -7);
    case 'usage-string':
      return eachNumber(usage, () => 'few');
    case 'usage-nan':
      return eachNumber(usage, () => NAN);
    default:
      return usage;
  }
}

function eachNumber(value: unknown, change: () => unknown): unknown {
  if (typeof value === 'number') return change();
  if (Array.isArray(value)) return value.map((item) => eachNumber(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, eachNumber(item, change)]),
  );
}

/** JSON, with the literal NaN where a fault wants it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll(`"${NAN}"`, 'NaN');
}

/** Pieces as a stream sends them: each its own, or in so many groups. */
export function grouped(
  pieces: readonly string[],
  groups: number | undefined,
): readonly string[][] {
  const size = Math.max(1, Math.ceil(pieces.length / (groups ?? pieces.length)));
  return Array.from({ length: Math.ceil(pieces.length / size) }, (_, index) =>
    pieces.slice(index * size, (index + 1) * size),
  );
}

/** Opaque proof that a thought is the provider's own. */
export function isSignatureOf(signature: string, thinking: string): boolean {
  return signature === signatureOf(thinking);
}

export function signatureOf(thinking: string): string {
  return Buffer.from(`signed:${thinking.length}:${thinking.slice(0, 12)}`).toString('base64');
}
