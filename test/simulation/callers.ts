/**
 * Callers: each sends a call, reads the answer at its own pace or leaves in the middle, thinks, and
 * sends the next. A call runs in an environment that is idle, or in a new one.
 */
// The request path loads this with its first call, and a history in which that takes real time would not be the next one's.
import '../../core/dialects/openai/chat.ts';
import { newRequestId } from '../../core/ids.ts';
import type { GatewayResponse } from '../../core/response.ts';
import { type GatewayRequest, serve } from '../../core/serve.ts';
import { type Asked, type CallRecord, newCallRecord } from './call-record.ts';
import type { IssuedKey } from './company.ts';
import {
  type Environment,
  type EnvironmentOptions,
  newEnvironment,
  portsFor,
} from './environment.ts';
import { DEFAULT_MAX_TOKENS } from './policies.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

export interface CallersOptions extends EnvironmentOptions {
  readonly callers: number;
  readonly operations: number;
  /** How many one environment serves: one on Lambda, more where its compute is multi-concurrent. */
  readonly callsAtOnce: number;
  /** Environments that serve many calls at once; most calls are theirs. */
  readonly workers: number;
  readonly onCall: (call: CallRecord) => void;
  readonly onAnswer: (call: CallRecord, response: GatewayResponse) => void;
  /** The books are closed, as far as the gateway knows. */
  readonly onClosed: (call: CallRecord) => void;
  readonly onOver: () => void;
}

const LONGEST_THOUGHT_MS = 3_000;
/** What a Lambda function of this project gets. */
const INVOCATION_MS = 900_000;
const CALLS_OF_WORKER = 20;
/** A crash comes at one of so many awaits: a refusal has about four, a long stream about twenty. */
const AWAITS = [4, 20] as const;

export function startCallers(options: CallersOptions): void {
  const { scheduler, random, callers } = options;
  const environments = new Set<Environment>();
  const workers = createWorkers(options);
  let left = options.operations;
  let open = callers;
  const next = () => {
    if (left === 0) {
      open -= 1;
      if (open === 0) options.onOver();
      return;
    }
    left -= 1;
    const worker = workers.some();
    const environment = worker ?? environmentWithRoom(options, environments);
    const { process } = environment;
    environment.open += 1;
    // A worker takes all its calls with it.
    if (random.chance(options.faults.crashes / (worker === undefined ? 1 : CALLS_OF_WORKER)))
      process.dieAfter(random.between(1, random.pick(AWAITS)));
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      forget();
      environment.open -= 1;
      scheduler.after(random.between(1, LONGEST_THOUGHT_MS), next);
    };
    const forget = process.onDeath(() => {
      environments.delete(environment);
      over();
    });
    void oneCall(options, environment).then(over);
  };
  for (let index = 0; index < callers; index += 1)
    scheduler.after(random.between(1, LONGEST_THOUGHT_MS), next);
}

/** A new one where none has room for a call more. */
function environmentWithRoom(options: CallersOptions, environments: Set<Environment>): Environment {
  for (const each of environments) if (each.open < options.callsAtOnce) return each;
  const fresh = newEnvironment(options);
  environments.add(fresh);
  return fresh;
}

/** One that has died is replaced. */
function createWorkers(options: CallersOptions): { some(): Environment | undefined } {
  const { random, workers: count } = options;
  const environments = new Map<number, Environment>();
  return {
    some() {
      if (count === 0 || random.chance(0.3)) return undefined;
      const index = random.between(1, count);
      const known = environments.get(index);
      if (known?.process.isAlive() === true) return known;
      const next = newEnvironment(options, { isWorker: true });
      environments.set(index, next);
      return next;
    },
  };
}

async function oneCall(options: CallersOptions, environment: Environment): Promise<void> {
  const { random, company, trace } = options;
  const { process, clock } = environment;
  const issued = random.pick(company.issued);
  const key = company.keys().get(issued.hash);
  if (key === undefined) return;
  const asked = chat(random, issued);
  const call = newCallRecord(newRequestId(random.text), key, asked);
  const forget = process.onDeath(() => {
    if (call.isClosed) return;
    call.isCrashed = true;
    trace(`crash of ${call.holdId}`);
  });
  options.onCall(call);
  const receivedAtMs = clock.nowMs();
  const response = await serve(portsFor(options, environment, call), {
    ...asked.request,
    requestId: call.requestId,
    receivedAtMs,
    deadlineMs: receivedAtMs + INVOCATION_MS,
  });
  trace(`answer ${response.status} ${response.errorCode ?? ''} to ${call.holdId}`);
  options.onAnswer(call, response);
  await read(options, process, response.body);
  await response.closed;
  forget();
  call.isClosed = true;
  options.onClosed(call);
}

type Sent = Pick<GatewayRequest, 'method' | 'path' | 'headers' | 'body'>;

function chat(random: Random, { secret }: IssuedKey): Asked & { readonly request: Sent } {
  const alias = random.weighted({ solo: 0.4, pair: 0.4, own: 0.2 });
  const maxTokens = random.chance(0.7) ? random.between(20, 400) : undefined;
  const choices = random.chance(0.1) ? 2 : 1;
  const text = JSON.stringify({
    model: alias,
    messages: [{ role: 'user', content: 'x'.repeat(random.between(1, 800)) }],
    stream: random.chance(0.6),
    max_tokens: maxTokens,
    n: choices,
    user: random.pick(['ann', 'bob', undefined]),
  });
  return {
    alias,
    bodyBytes: text.length,
    outputTokens: choices * (maxTokens ?? DEFAULT_MAX_TOKENS),
    request: {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${secret}` },
      body: Buffer.from(text),
    },
  };
}

/** Reads to the end; one caller in ten leaves in the middle, some before the first byte. */
async function read(
  { random, scheduler }: CallersOptions,
  process: Process,
  body: GatewayResponse['body'],
): Promise<void> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return;
  const chunks = body[Symbol.asyncIterator]();
  const leavesAfter = random.chance(0.1) ? random.between(0, 4) : Number.POSITIVE_INFINITY;
  for (let taken = 0; taken < leavesAfter; taken += 1) {
    const { done } = await chunks.next();
    if (done === true) return;
    if (random.chance(0.2))
      await process.outside<void>((answer) =>
        scheduler.after(random.between(1, 2_000), () => answer.resolve()),
      );
  }
  await chunks.return?.();
}
