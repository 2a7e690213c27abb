/** The bytes of a provider's answer, part by part, in the OpenAI dialect. */
import type { ReportedUsage } from './call-record.ts';
import type { Behaviour } from './fake-provider.ts';
import type { Random } from './random.ts';

export type Part = {
  /** Since the part before. */
  readonly delayMs: number;
  /** Output tokens that the provider generated for this part. */
  readonly tokens: number;
} & (
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /** The provider's own count, where these bytes carry it. */
      readonly reports?: ReportedUsage;
    }
  | { readonly kind: 'end' }
  | { readonly kind: 'broken' }
);

export interface AnswerPlan {
  readonly random: Random;
  readonly behaviour: Behaviour;
  readonly usage: ReportedUsage;
}

/** Far beyond every patience. */
const FOREVER_MS = 3_600_000;

const WORDS = [' a', ' of', ' gate', ' budget', ' responsibility', '预', '.', '42'];

export function wholeParts({ random, behaviour, usage }: AnswerPlan): Part[] {
  const delayMs = random.between(50, 3_000);
  if (behaviour === 'refuses') return [bytesPart(5, '{"error":{"message":"no"}}'), END];
  if (behaviour === 'endsAtOnce') return [bytesPart(5, '<html>'), END];
  const tokens = usage.completionTokens;
  if (behaviour === 'breaks' || behaviour === 'stalls' || behaviour === 'errorEvent') {
    const fate = behaviour === 'stalls' ? { ...END, delayMs: FOREVER_MS } : BROKEN;
    return [{ ...bytesPart(delayMs, '{"choices":[{"mess'), tokens }, fate];
  }
  const says = { index: 0, message: { role: 'assistant', content: saying(random, tokens) } };
  const isReported = behaviour !== 'saysNoUsage' && behaviour !== 'runsAwayUnsaid';
  const body = { choices: [says], ...(isReported ? told(usage) : {}) };
  const part = { ...bytesPart(delayMs, JSON.stringify(body)), tokens };
  return [isReported ? { ...part, reports: usage } : part, END];
}

export function streamParts(plan: AnswerPlan): Part[] {
  const { random, behaviour, usage } = plan;
  if (behaviour === 'refuses') return wholeParts(plan);
  if (behaviour === 'endsAtOnce')
    return random.chance(0.5) ? [END] : [bytesPart(5, event({ error: { message: 'busy' } })), END];
  const spoken = spokenParts(random, usage.completionTokens);
  const until = random.between(1, spoken.length);
  switch (behaviour) {
    case 'breaks':
      return [...spoken.slice(0, until), random.chance(0.5) ? BROKEN : END];
    case 'stalls':
      return [...spoken.slice(0, until), { ...END, delayMs: FOREVER_MS }];
    case 'errorEvent':
      return [...spoken.slice(0, until), bytesPart(5, event({ error: { message: 'no' } })), END];
    case 'saysNoUsage':
    case 'runsAwayUnsaid':
      return [...spoken, bytesPart(1, DONE), END];
    default:
      return [...spoken, ...usageParts(plan), END];
  }
}

const END = { kind: 'end', delayMs: 1, tokens: 0 } as const;
const BROKEN = { kind: 'broken', delayMs: 1, tokens: 0 } as const;
const DONE = 'data: [DONE]\n\n';

/** The usage and the end in one packet or in two. */
function usageParts({ random, usage }: AnswerPlan): Part[] {
  const last = event({ choices: [], ...told(usage) });
  return random.chance(0.5)
    ? [{ ...bytesPart(1, last + DONE), reports: usage }]
    : [{ ...bytesPart(1, last), reports: usage }, bytesPart(random.between(1, 300), DONE)];
}

/** A few packets, of one event or two. */
function spokenParts(random: Random, tokens: number): Part[] {
  const parts: Part[] = [];
  const packets = random.between(1, 4);
  let left = tokens;
  for (let index = packets; index > 0; index -= 1) {
    const said = index === 1 ? left : Math.floor(left / index);
    left -= said;
    const half = Math.floor(said / 2);
    const bytes = random.chance(0.5)
      ? event(delta(saying(random, said)))
      : event(delta(saying(random, half))) + event(delta(saying(random, said - half)));
    parts.push({ ...bytesPart(random.between(20, 1_200), bytes), tokens: said });
  }
  return parts;
}

function saying(random: Random, tokens: number): string {
  return random.pick(WORDS).repeat(tokens);
}

function delta(content: string): unknown {
  return { choices: [{ index: 0, delta: { content } }] };
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function bytesPart(delayMs: number, text: string): Part & { readonly kind: 'bytes' } {
  return { kind: 'bytes', delayMs, tokens: 0, bytes: Buffer.from(text) };
}

function told({ serviceTier, reasoningTokens, ...usage }: ReportedUsage) {
  const { promptTokens, cachedTokens, writtenTokens, completionTokens } = usage;
  return {
    ...(serviceTier === null ? {} : { service_tier: serviceTier }),
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      prompt_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: writtenTokens },
      completion_tokens_details:
        reasoningTokens === null ? {} : { reasoning_tokens: reasoningTokens },
    },
  };
}
