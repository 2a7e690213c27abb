/**
 * A request between dialects: the conversation that a caller sends, in no dialect's words. It holds what at
 * least two dialects can say; what only the caller's own can say stands in `others` by the caller's name
 * for it, and the target's encoder refuses or drops it by the table in docs/compatibility.md.
 */

/** A place up to which the provider is asked to cache the prompt, and for how long. */
export type CacheTtl = '5m' | '1h';

interface Cacheable {
  readonly cache?: CacheTtl;
}

export interface TextPart extends Cacheable {
  readonly kind: 'text';
  readonly text: string;
}

export interface ImagePart extends Cacheable {
  readonly kind: 'image';
  readonly source:
    | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
    | { readonly kind: 'url'; readonly url: string };
}

export interface ToolCallPart extends Cacheable {
  readonly kind: 'tool-call';
  readonly id: string;
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
}

export interface ToolResultPart extends Cacheable {
  readonly kind: 'tool-result';
  readonly callId: string;
  readonly content: readonly (TextPart | ImagePart)[];
  readonly isError: boolean;
}

export type Part =
  | TextPart
  | ImagePart
  | ToolCallPart
  | ToolResultPart
  | { readonly kind: 'refusal'; readonly text: string }
  | { readonly kind: 'thinking'; readonly text: string; readonly signature: string | undefined }
  | { readonly kind: 'redacted-thinking'; readonly data: string };

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly parts: readonly Part[];
}

export interface Tool extends Cacheable {
  readonly name: string;
  readonly description: string | undefined;
  /** JSON schema of the arguments' object. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly strict?: boolean;
}

export type ToolChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'none' }
  | { readonly kind: 'required' }
  | { readonly kind: 'tool'; readonly name: string };

export type OutputFormat =
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema';
      readonly name: string;
      readonly schema: Readonly<Record<string, unknown>>;
      readonly strict?: boolean;
    };

export type Thinking =
  | { readonly kind: 'off' }
  | { readonly kind: 'budget'; readonly tokens: number }
  /** As much as the model sees fit, where it decides by itself. */
  | { readonly kind: 'adaptive' }
  | { readonly kind: 'effort'; readonly effort: string };

export interface Conversation {
  readonly system: readonly TextPart[];
  /** Roles take turns: neighbours of one role are one turn. */
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly output?: OutputFormat;
  readonly thinking?: Thinking;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly stop: readonly string[];
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Fields of the caller's body that no other dialect has, by the caller's name for them. */
  readonly others: Readonly<Record<string, unknown>>;
  /** Fields that the caller's dialect has left out already, because no other has them and they only tune. */
  readonly leftOut?: readonly string[];
}
