/** So many calls through the request path's client for AWS, each of which meets one fault, and what they leave behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createAws } from '../../lambdas/adapters/aws-client.ts';
import type { CredentialSource } from '../../lambdas/adapters/aws-credentials.ts';
import { AwsFault } from '../../lambdas/adapters/aws-fault.ts';
import { type AwsStub, refuse, startAwsStub } from './aws-stub.ts';

/** Short, so that ten thousand calls, two in eleven of which wait for all of it, take a minute; and long enough for a busy machine. */
const ATTEMPT_MS = 1_000;
/** A timer may fire late on a busy machine; a call that has no time-out takes longer than this. */
const LATE_MS = 4_000;
const HEAP_GROWTH_MB = 8;
const SKEW_MS = 3_600_000;
/** Before the first look: code is compiled then, and connections are opened. */
const WARM_SHARE = 0.2;
const ROLE = { accessKeyId: 'AKIDOLD', secretAccessKey: 'secret', sessionToken: 'token' };
const OTHER = { accessKeyId: 'AKIDNEW', secretAccessKey: 'newer', sessionToken: 'other' };
const CREDENTIALS: CredentialSource = { get: async () => ROLE, renew: async () => OTHER };

interface Fault {
  readonly answer: AwsStub['answer'];
  /** Kind and code of the fault that the caller is told, or `ok`. */
  readonly end: string;
  /** Accounts get one attempt, which is signed a second time only where that may help. */
  readonly mostSends: 1 | 2;
}

const OK: AwsStub['answer'] = (response) => void response.end('{}');
const SKEWED = 'clock an hour off';
const isSecond = (header = '') => header.includes('AKIDNEW');

const NO_FAULT = ['healthy', { answer: OK, end: 'ok', mostSends: 1 }] as const;
const FAULTS: Readonly<Record<string, Fault>> = {
  [NO_FAULT[0]]: NO_FAULT[1],
  slow: { answer: () => undefined, end: 'unanswered', mostSends: 1 },
  'slow but in time': {
    answer: (response) => void setTimeout(() => response.end('{}'), ATTEMPT_MS / 20),
    end: 'ok',
    mostSends: 1,
  },
  'half an answer': {
    answer: (response) => void response.writeHead(200, { 'content-length': '99' }).write('{'),
    end: 'unanswered',
    mostSends: 1,
  },
  throttled: {
    answer: (response) => refuse(response, 'ThrottlingException'),
    end: 'refused ThrottlingException',
    mostSends: 1,
  },
  'failing inside': {
    answer: (response) => refuse(response, 'InternalServerError', { status: 500 }),
    end: 'failed InternalServerError',
    mostSends: 1,
  },
  reset: {
    answer: (response) => void response.socket?.resetAndDestroy(),
    end: 'unanswered',
    mostSends: 1,
  },
  'credentials ended, others at hand': {
    answer: (response, { headers }) =>
      isSecond(headers.authorization)
        ? void response.end('{}')
        : refuse(response, 'ExpiredTokenException'),
    end: 'ok',
    mostSends: 2,
  },
  'credentials ended for good': {
    answer: (response) => refuse(response, 'ExpiredTokenException'),
    end: 'refused ExpiredTokenException',
    mostSends: 2,
  },
  'clock right, signature refused': {
    answer: (response) => refuse(response, 'InvalidSignatureException'),
    end: 'refused InvalidSignatureException',
    mostSends: 1,
  },
  [SKEWED]: {
    answer: (response, { headers }) =>
      Math.abs(signedAtMs(headers['x-amz-date']) - Date.now()) > SKEW_MS / 2
        ? refuse(response, 'RequestTimeTooSkewed')
        : void response.end('{}'),
    end: 'ok',
    mostSends: 2,
  },
};

const FAULT_LIST = Object.entries(FAULTS);

/** Of `x-amz-date`, which is a date without its separators. */
function signedAtMs(date: unknown): number {
  return Date.parse(String(date).replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
}

interface Footprint {
  readonly sockets: number;
  readonly timers: number;
  readonly heapMb: number;
}

interface FaultedCallsReport {
  readonly kinds: Readonly<Record<string, KindReport>>;
  readonly before: Footprint;
  readonly after: Footprint;
  /** Sentences; empty where all is as promised. */
  readonly problems: readonly string[];
}

interface KindReport {
  readonly calls: number;
  readonly end: string;
  readonly slowestMs: number;
}

export async function runFaultedCalls({
  calls,
  callers,
}: {
  readonly calls: number;
  readonly callers: number;
}): Promise<FaultedCallsReport> {
  const sends = new Map<string, number>();
  const stub = await startAwsStub((response, call, index) => {
    sends.set(call.body, (sends.get(call.body) ?? 0) + 1);
    FAULTS[JSON.parse(call.body).fault]?.answer(response, call, index);
    // What it remembers of calls would pass for memory of the client.
    stub.seen.length = 0;
  });
  const env = { AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_DYNAMODB: stub.url };
  const open = (aheadMs: number) =>
    createAws({ clock: { nowMs: () => Date.now() + aheadMs }, env, credentials: CREDENTIALS });
  const clients = [open(0), open(SKEW_MS)] as const;
  const policy = { attempts: 1, attemptMs: ATTEMPT_MS };
  const [right, skewed] = [
    clients[0].client('dynamodb', policy),
    clients[1].client('dynamodb', policy),
  ];
  const kinds: Record<string, KindReport> = {};
  const problems: string[] = [];

  async function one(index: number): Promise<void> {
    const [name, fault] = FAULT_LIST[index % FAULT_LIST.length] ?? NO_FAULT;
    const input = { fault: name, index };
    const startMs = performance.now();
    const end = await endOf((name === SKEWED ? skewed : right).call('UpdateItem', input));
    const tookMs = Math.round(performance.now() - startMs);
    const sent = sends.get(JSON.stringify(input)) ?? 0;
    sends.delete(JSON.stringify(input));
    const { calls: before, slowestMs } = kinds[name] ?? { calls: 0, slowestMs: 0 };
    kinds[name] = { calls: before + 1, end, slowestMs: Math.max(slowestMs, tookMs) };
    if (end !== fault.end) problems.push(`${name}: ended as ${end}`);
    if (sent < 1 || sent > fault.mostSends) problems.push(`${name}: sent ${sent} times`);
    if (tookMs > LATE_MS) problems.push(`${name}: took ${tookMs} ms`);
  }

  const warm = Math.round(calls * WARM_SHARE);
  await inLanes({ from: 0, to: warm, lanes: callers }, one);
  const before = await footprint(stub);
  await inLanes({ from: warm, to: calls, lanes: callers }, one);
  const after = await footprint(stub);
  for (const aws of clients) aws.close();
  stub.close();
  if (after.sockets > callers * clients.length) problems.push(`${after.sockets} sockets are open`);
  if (after.timers > before.timers + callers) problems.push(`${after.timers} timers are left`);
  if (after.heapMb - before.heapMb > HEAP_GROWTH_MB)
    problems.push(`the heap grew from ${before.heapMb} to ${after.heapMb} MB`);
  return { kinds, before, after, problems };
}

async function endOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (fault) {
    return fault instanceof AwsFault ? `${fault.kind} ${fault.code}`.trim() : String(fault);
  }
}

async function inLanes(
  { from, to, lanes }: { from: number; to: number; lanes: number },
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = from;
  const lane = async () => {
    for (let index = next++; index < to; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** After a moment in which what was ended goes away, and without garbage. */
async function footprint(stub: AwsStub): Promise<Footprint> {
  await sleep(200);
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const heapMb = Math.round(process.memoryUsage().heapUsed / 100_000) / 10;
  return { sockets: stub.open(), timers, heapMb };
}
