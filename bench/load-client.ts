/**
 * The caller: over node:http with kept connections. It takes the moment at which each token arrives and subtracts the stamps inside.
 * Every load is bounded in calls and in time; a call that is not answered as it should be, or brings an event more or
 * less than the provider sent, fails the run, because its figures would mean nothing.
 */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf, type Model } from './models.ts';
import { nowUs, type Stamp, stampsOf } from './stamps.ts';
import type { Endpoint } from './targets/endpoint.ts';

/** What is asked for. */
export interface Question {
  readonly model: Model;
  /** Absent: the stream. */
  readonly isWhole?: boolean;
  readonly promptBytes?: number;
}

/** How one call went. `overMs` is what the way there and back added to the time until the first token. */
export interface CallTimes {
  readonly overMs: number;
  /** Of each token, from the provider's write to the caller's read. */
  readonly transitsMs: readonly number[];
  /** Tokens that came in one read with the token before. */
  readonly merged: number;
  readonly sentAtUs: number;
  /** When the provider had the question. */
  readonly askedAtUs: number;
}

export interface LoadClient {
  call(question: Question): Promise<CallTimes>;
  /** Open loop: calls start on time, whatever became of the earlier ones. */
  paced(question: Question, arrival: Arrival): Promise<readonly CallTimes[]>;
  /** Closed loop: so many calls are always under way. Times are not taken. */
  saturated(
    question: Question,
    limit: Saturation,
  ): Promise<{ calls: number; callsPerSecond: number }>;
  /** Leaves a stream after so many reads. Resolves to the moment, microseconds. */
  leave(question: Question, afterReads: number): Promise<number>;
  close(): void;
}

interface Arrival {
  readonly perSecond: number;
  readonly calls: number;
}

interface Saturation {
  readonly concurrency: number;
  readonly durationMs: number;
}

/** The status where it is not 200. */
export class WrongAnswer extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const CALL_TIMEOUT_MS = 20_000;
const EVENT_END = Buffer.from('\n\n');

export function createLoadClient(endpoint: Endpoint): LoadClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_024 });
  const wire = { endpoint, agent };
  const call = async (question: Question) => timesOf(question, await ask(wire, question));
  return {
    call,
    paced(question, { perSecond, calls }) {
      const startedAtMs = performance.now();
      return Promise.all(
        Array.from({ length: calls }, async (_, index) => {
          await sleep(Math.max(0, startedAtMs + (index * 1000) / perSecond - performance.now()));
          return call(question);
        }),
      );
    },
    async saturated(question, { concurrency, durationMs }) {
      const startedAtMs = performance.now();
      let calls = 0;
      const worker = async () => {
        while (performance.now() < startedAtMs + durationMs) {
          check(question, await ask(wire, question));
          calls += 1;
        }
      };
      await Promise.all(Array.from({ length: concurrency }, worker));
      return { calls, callsPerSecond: (calls * 1000) / (performance.now() - startedAtMs) };
    },
    leave: (question, afterReads) => leave(wire, question, afterReads),
    close: () => agent.destroy(),
  };
}

interface Wire {
  readonly endpoint: Endpoint;
  readonly agent: http.Agent;
}

interface Heard {
  readonly sentAtUs: number;
  readonly status: number;
  readonly reads: readonly { readonly bytes: Buffer; readonly atUs: number }[];
}

async function ask(wire: Wire, question: Question): Promise<Heard> {
  const sentAtUs = nowUs();
  const response = await send(wire, question);
  const reads: { bytes: Buffer; atUs: number }[] = [];
  response.on('data', (bytes: Buffer) => reads.push({ bytes, atUs: nowUs() }));
  await new Promise<void>((resolve, reject) => {
    response.on('end', resolve);
    response.on('error', reject);
  });
  return { sentAtUs, status: response.statusCode ?? 0, reads };
}

function send({ endpoint, agent }: Wire, question: Question): Promise<http.IncomingMessage> {
  const body = bodyOf(question);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...endpoint.headers,
  };
  const url = `${endpoint.url}/v1/chat/completions`;
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', headers, agent, timeout: CALL_TIMEOUT_MS });
    request.once('response', resolve);
    request.on('timeout', () => request.destroy(new Error(`${url} fell silent`)));
    request.on('error', reject);
    request.setNoDelay(true);
    request.end(body);
  });
}

async function leave(wire: Wire, question: Question, afterReads: number): Promise<number> {
  const response = await send(wire, question);
  let reads = 0;
  for await (const _ of response) {
    reads += 1;
    if (reads >= afterReads) break;
  }
  const leftAtUs = nowUs();
  response.destroy();
  return leftAtUs;
}

/** The same question is asked many times. */
const bodies = new Map<Question, string>();
const WORDS = 'Say in a few words what a gateway is good for, and what it costs to have none. ';
const MESSAGE_BYTES = 4_000;

function bodyOf(question: Question): string {
  const known = bodies.get(question) ?? written(question);
  bodies.set(question, known);
  return known;
}

function written({ model, isWhole = false, promptBytes = WORDS.length }: Question): string {
  const count = Math.ceil(promptBytes / MESSAGE_BYTES);
  const content = WORDS.repeat(Math.ceil(promptBytes / count / WORDS.length));
  const messages = Array.from({ length: count }, () => ({ role: 'user', content }));
  const streamed = isWhole ? {} : { stream: true, stream_options: { include_usage: true } };
  return JSON.stringify({ model: model.name, messages, ...streamed });
}

/** Throws where the answer is not the provider's own. */
function check({ model, isWhole = false }: Question, { status, reads }: Heard): Buffer {
  const bytes = Buffer.concat(reads.map((read) => read.bytes));
  if (status !== 200)
    throw new WrongAnswer(status, `answered ${status}: ${bytes.toString().slice(0, 500)}`);
  const events = isWhole ? eventsOf(model) : countEvents(bytes);
  if (events !== eventsOf(model))
    throw new Error(`${model.name}: ${events} events came instead of ${eventsOf(model)}`);
  return bytes;
}

function timesOf(question: Question, heard: Heard): CallTimes {
  const stamps = stampsOf(check(question, heard).toString('latin1'));
  const [first] = stamps;
  const expected = question.isWhole === true ? 1 : question.model.tokens;
  if (first === undefined || stamps.length !== expected)
    throw new Error(`${stamps.length} tokens came instead of ${expected}`);
  const arrivals = arrivalsOf(stamps, heard);
  const { sentAtUs } = heard;
  const heldUs = first.sentAtUs - first.askedAtUs;
  return {
    overMs: ((arrivals[0] ?? Number.NaN) - sentAtUs - heldUs) / 1e3,
    transitsMs: stamps.map((stamp, index) => ((arrivals[index] ?? 0) - stamp.sentAtUs) / 1e3),
    merged: arrivals.filter((atUs, index) => atUs === arrivals[index - 1]).length,
    sentAtUs,
    askedAtUs: first.askedAtUs,
  };
}

/** When the read came that holds the end of each stamp. */
function arrivalsOf(
  stamps: readonly (Stamp & { readonly endsAt: number })[],
  { reads }: Heard,
): readonly number[] {
  let index = 0;
  let readUpTo = reads[0]?.bytes.length ?? 0;
  return stamps.map(({ endsAt }) => {
    while (readUpTo < endsAt && index + 1 < reads.length) {
      index += 1;
      readUpTo += reads[index]?.bytes.length ?? 0;
    }
    return reads[index]?.atUs ?? Number.NaN;
  });
}

function countEvents(bytes: Buffer): number {
  let events = 0;
  for (let at = bytes.indexOf(EVENT_END); at >= 0; at = bytes.indexOf(EVENT_END, at + 2))
    events += 1;
  return events;
}
