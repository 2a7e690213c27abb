/**
 * A provider with a ledger of its own. It answers, says nothing of usage, dies, stalls, refuses, or
 * ignores the maximum of output tokens; the body's timing is virtual.
 */
import * as z from 'zod/mini';
import {
  UpstreamFault,
  type UpstreamPort,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';
import { bodyText } from '../support/body-text.ts';
import type { CallRecord, ProviderEntry, ReportedUsage } from './call-record.ts';
import { type Part, streamParts, wholeParts } from './fake-answer.ts';
import type { Faults } from './faults.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface FakeProviderOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly trace: (what: string) => void;
  readonly onSent: (call: CallRecord, entry: ProviderEntry) => void;
  /** A provider has all of the call but its end, of which it can make nothing. */
  readonly onShown: (call: CallRecord) => void;
}

const requestSchema = z.looseObject({
  model: z.string(),
  stream: z.optional(z.nullable(z.boolean())),
  n: z.optional(z.nullable(z.number())),
  max_tokens: z.optional(z.number()),
  max_completion_tokens: z.optional(z.number()),
  messages: z.array(z.looseObject({ content: z.string() })),
});

/** As answers name the tier that served them: mostly not at all, and once by a name that no price knows. */
const SERVICE_TIERS = [null, null, null, 'default', 'flex', 'priority', 'scale'] as const;

/** Silence after which the gateway is told that it is quiet. */
const QUIET_MS = 15_000;

/** The provider as the call's process reaches it. */
export function providerFor(
  options: FakeProviderOptions,
  process: Process,
  call: CallRecord,
): UpstreamPort {
  return {
    async send(request) {
      if (request.mayBegin !== undefined && request.onlyEndWaits?.() === true)
        options.onShown(call);
      await request.mayBegin;
      return process.outside((answer) => {
        const { scheduler, random, trace } = options;
        const behaviour = random.weighted(behaviours(options.faults));
        const served = serve(options, request, { behaviour, call });
        call.providerEntries.push(served.entry);
        options.onSent(call, served.entry);
        trace(`provider ${behaviour} for ${call.holdId}`);
        const { headMs, head } = served;
        scheduler.after(headMs, () =>
          head instanceof UpstreamFault
            ? answer.reject(head)
            : answer.resolve(responseOf(options, process, { ...served, head, request })),
        );
      });
    },
  };
}

function behaviours({ runaways }: Faults) {
  return {
    answers: 0.7,
    saysNoUsage: 0.07,
    breaks: 0.05,
    errorEvent: 0.02,
    stalls: 0.01,
    hangs: 0.01,
    endsAtOnce: 0.01,
    refuses: 0.08,
    unreachable: 0.03,
    runsAway: runaways,
    runsAwayUnsaid: runaways / 4,
  };
}

export type Behaviour = keyof ReturnType<typeof behaviours>;

interface Served {
  readonly entry: ProviderEntry;
  readonly headMs: number;
  readonly head: { readonly status: number } | UpstreamFault;
  readonly parts: readonly Part[];
  /** How many parts were generated before the gateway hung up. */
  cut: { after: number };
}

/** Everything about one answer is decided when the request arrives; only the gateway can cut it short. */
function serve(
  { random }: FakeProviderOptions,
  request: UpstreamRequest,
  { behaviour, call }: { readonly behaviour: Behaviour; readonly call: CallRecord },
): Served {
  const asked = requestSchema.parse(JSON.parse(bodyText(request.body)));
  const maxTokens = (asked.max_completion_tokens ?? asked.max_tokens ?? 0) * (asked.n ?? 1);
  const runsAway = behaviour === 'runsAway' || behaviour === 'runsAwayUnsaid';
  const usage = usageOf(random, {
    promptTokens: 1 + Math.ceil(lengthOf(asked.messages) * (0.2 + 0.8 * random.fraction())),
    completionTokens: runsAway
      ? maxTokens * random.between(2, 8) + random.between(1, 4_000)
      : random.between(1, maxTokens),
  });
  const parts = (asked.stream === true ? streamParts : wholeParts)({ random, behaviour, usage });
  const cut = { after: parts.length };
  const entry: ProviderEntry = {
    model: asked.model,
    hadRoom: call.hasRoom,
    wasReady: request.mayBegin !== undefined,
    isBilled: !['refuses', 'unreachable', 'endsAtOnce'].includes(behaviour),
    isRunaway: runsAway,
    generated: () => generatedBy(parts.slice(0, cut.after), usage),
    reported: undefined,
  };
  return { entry, parts, cut, ...headOf(random, request, behaviour) };
}

/** The classes of what was read and made; a class that is seldom told is told seldom. */
function usageOf(
  random: Random,
  { promptTokens, completionTokens }: { promptTokens: number; completionTokens: number },
): ReportedUsage {
  const writtenTokens = random.chance(0.2) ? random.between(0, promptTokens) : 0;
  return {
    promptTokens,
    cachedTokens: random.chance(0.2) ? random.between(0, promptTokens - writtenTokens) : 0,
    writtenTokens,
    completionTokens,
    reasoningTokens: random.chance(0.5) ? random.between(0, completionTokens) : null,
    serviceTier: random.pick(SERVICE_TIERS),
  };
}

function headOf(
  random: Random,
  { connectTimeoutMs, firstByteTimeoutMs }: UpstreamRequest,
  behaviour: Behaviour,
): Pick<Served, 'head' | 'headMs'> {
  switch (behaviour) {
    case 'unreachable':
      return {
        headMs: random.pick([2, connectTimeoutMs]),
        head: new UpstreamFault('upstream_unreachable', 'unsent'),
      };
    case 'hangs':
      return random.chance(0.5)
        ? { headMs: firstByteTimeoutMs, head: new UpstreamFault('upstream_timeout', 'sent') }
        : { headMs: 50, head: new UpstreamFault('upstream_unreachable', 'sent') };
    case 'refuses':
      return {
        headMs: random.between(10, 200),
        head: { status: random.pick([400, 401, 404, 429, 500, 503, 529]) },
      };
    default:
      return { headMs: random.between(50, 600), head: { status: 200 } };
  }
}

function generatedBy(parts: readonly Part[], usage: ReportedUsage): ReportedUsage {
  const completionTokens = parts.reduce((sum, { tokens }) => sum + tokens, 0);
  const { reasoningTokens } = usage;
  return {
    ...usage,
    completionTokens,
    reasoningTokens: reasoningTokens === null ? null : Math.min(reasoningTokens, completionTokens),
  };
}

function lengthOf(messages: readonly { readonly content: string }[]): number {
  return messages.reduce((sum, { content }) => sum + content.length, 0);
}

interface Connection extends Served {
  readonly head: { readonly status: number };
  readonly request: UpstreamRequest;
}

function responseOf(
  options: FakeProviderOptions,
  process: Process,
  connection: Connection,
): UpstreamResponse {
  const { scheduler } = options;
  const readyMs: number[] = [];
  let atMs = scheduler.nowMs();
  for (const { delayMs } of connection.parts) {
    atMs += delayMs;
    readyMs.push(atMs);
  }
  const hangUp = () => {
    const ready = readyMs.filter((each) => each <= scheduler.nowMs()).length;
    connection.cut.after = Math.min(connection.cut.after, ready);
  };
  const forget = process.onDeath(hangUp);
  return {
    status: connection.head.status,
    headers: {},
    body: {
      [Symbol.asyncIterator]: () => bodyOf(options, process, { ...connection, readyMs, forget }),
    },
    abort: () => {
      hangUp();
      forget();
    },
  };
}

interface Body extends Connection {
  readonly readyMs: readonly number[];
  /** The body is over: a death hangs up no more. */
  readonly forget: () => void;
}

/** Bytes when they are ready, `quiet` in a long silence, a fault when the gateway's patience ends. */
function bodyOf(
  { scheduler }: FakeProviderOptions,
  process: Process,
  { parts, readyMs, entry, cut, request, forget }: Body,
): AsyncIterator<Uint8Array | 'quiet'> {
  let index = 0;
  let lastByteMs = scheduler.nowMs();
  const next = (): Promise<IteratorResult<Uint8Array | 'quiet'>> =>
    process.outside((answer) => {
      const part = parts[index];
      const readyAtMs = readyMs[index] ?? scheduler.nowMs();
      const patienceEndsMs = Math.min(lastByteMs + request.idleTimeoutMs, request.deadlineMs);
      const quietAtMs = scheduler.nowMs() + QUIET_MS;
      const atMs = Math.min(readyAtMs, patienceEndsMs, quietAtMs);
      scheduler.after(atMs - scheduler.nowMs(), () => {
        if (index >= cut.after && cut.after < parts.length)
          return answer.reject(
            new UpstreamFault('upstream_error', 'answering', 'connection closed'),
          );
        if (atMs === readyAtMs) {
          index += 1;
          lastByteMs = atMs;
          if (part === undefined || part.kind === 'end') {
            forget();
            return answer.resolve({ done: true, value: undefined });
          }
          if (part.kind === 'broken')
            return answer.reject(
              new UpstreamFault('upstream_error', 'answering', 'connection reset'),
            );
          entry.reported = part.reports ?? entry.reported;
          return answer.resolve({ done: false, value: part.bytes });
        }
        if (atMs === patienceEndsMs)
          return answer.reject(
            new UpstreamFault('upstream_timeout', 'answering', 'silence in the body'),
          );
        answer.resolve({ done: false, value: 'quiet' });
      });
    });
  return { next };
}
