/**
 * How one call behaves is written in its model's name, so that a test needs nothing but the public API:
 * `sim-small+ttft=50+tps=200+tokens=300+fault=429+retry-after=7`. The part before the first plus is the
 * model; every other part is a knob. Without knobs a name of {@link PROFILES} brings its own speed.
 * The same knobs may stand in the last message, for callers who cannot choose the model's name: `sim+calls=2`.
 */
import { z } from 'zod';

export interface Speed {
  /** Request received to first token, milliseconds. */
  readonly ttftMs: number;
  /** Undefined: as fast as the socket takes them. */
  readonly tokensPerSecond?: number | undefined;
}

/** Speeds of the provider's own models. Any other name answers at the speed the server was started with. */
export const PROFILES: Readonly<Record<string, Speed>> = {
  'sim-small': { ttftMs: 0 },
  'sim-large': { ttftMs: 200, tokensPerSecond: 50 },
};

/** What each does is in refusals.ts (instead of an answer) and in steps.ts (in the middle of one). */
const FAULTS = [
  'html',
  'html-502',
  'hang',
  'reset-before',
  'reset-mid',
  'stall-mid',
  'truncate',
  'no-usage',
  'usage-each',
  'usage-twice',
  'usage-negative',
  'usage-string',
  'usage-nan',
  'usage-late',
  'garbage-json',
  'bad-utf8',
  'redirect',
  'ignore-max',
  'slow-first',
  'error-chunk',
  'done-early',
  'two-finishes',
  'infinite',
  'empty',
  'overloaded',
  'refusal',
  'wrong-model',
  'start-twice',
  'splice',
] as const;

const faultSchema = z.union([
  z.enum(FAULTS),
  z.stringFormat('status', /^(204|[45]\d\d)$/).transform(Number),
]);

/** A name of FAULTS, or the HTTP status to answer with. */
export type Fault = z.infer<typeof faultSchema>;

const knob = (max: number) => z.coerce.number().min(0).max(max);
const KNOBS_IN_TEXT = /(?:^|\s)sim(?<knobs>(?:\+[a-z-]+=[^\s+]+)+)/;
const SLOW_FIRST_MS = 30_000;

const knobsSchema = z.strictObject({
  ttft: knob(900_000).optional(),
  tps: knob(1_000_000).positive().optional(),
  tokens: knob(1_000_000).int().optional(),
  chunks: knob(1_000_000).int().positive().optional(),
  reasoning: knob(1_000_000).int().optional(),
  /** Tool calls at once, where tools are called and the caller allows more than one. */
  calls: knob(128).int().default(1),
  /** Tokens of text before the tool calls. */
  preamble: knob(10_000).int().default(0),
  cached: knob(10_000_000).int().optional(),
  seed: knob(2 ** 31)
    .int()
    .default(0),
  /** `bytes`: every byte its own write. `random`: 1 to 16 bytes a write, by the seed. */
  split: z.enum(['bytes', 'random']).optional(),
  fault: faultSchema.optional(),
  'retry-after': z.string().optional(),
});

export interface Behaviour {
  readonly speed: Speed;
  readonly tokens?: number | undefined;
  readonly chunks?: number | undefined;
  /** Absent: as many as a model thinks that is asked to. */
  readonly reasoningTokens?: number | undefined;
  readonly calls: number;
  readonly preamble: number;
  readonly cachedTokens?: number | undefined;
  readonly seed: number;
  readonly split?: 'bytes' | 'random' | undefined;
  readonly fault?: Fault | undefined;
  readonly retryAfter?: string | undefined;
}

/** Undefined when a knob is unknown or its value is out of range: such a model does not exist. */
export function behaviourOf(
  modelName: string,
  defaultSpeed: Speed,
  lastText = '',
): Behaviour | undefined {
  const asked = KNOBS_IN_TEXT.exec(lastText)?.groups?.['knobs'] ?? '';
  const [base = '', ...parts] = `${modelName}${asked}`.split('+');
  const pairs = parts.map((part) => [part.split('=', 1).join(''), part.replace(/^[^=]*=?/, '')]);
  const knobs = knobsSchema.safeParse(Object.fromEntries(pairs));
  if (base === '' || !knobs.success) return undefined;
  const { ttft, tps, reasoning, cached, 'retry-after': retryAfter, ...rest } = knobs.data;
  const profile = Object.hasOwn(PROFILES, base) ? (PROFILES[base] ?? defaultSpeed) : defaultSpeed;
  const defaultTtftMs = rest.fault === 'slow-first' ? SLOW_FIRST_MS : profile.ttftMs;
  return {
    ...rest,
    speed: { ttftMs: ttft ?? defaultTtftMs, tokensPerSecond: tps ?? profile.tokensPerSecond },
    reasoningTokens: reasoning,
    cachedTokens: cached,
    retryAfter,
  };
}
