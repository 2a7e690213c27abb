/** Sends mutated bodies through the whole request path, for every kind of provider, and counts what comes of it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Ports, serve } from '../../../core/serve.ts';
import { createRandom, type Random } from '../../simulation/random.ts';
import { createTestGateway, type TestGateway } from '../../support/gateway.ts';
import { cannedProvider } from './canned-provider.ts';
import { mutatedBody } from './mutate.ts';
import { SEEDS } from './seeds.ts';

interface Failure {
  /** Of the body: `--seed 7 --bodies 1 --from 123` sends it again. */
  readonly index: number;
  readonly what: string;
  readonly body: string;
}

export interface FuzzReport {
  readonly bodies: number;
  readonly statuses: Readonly<Record<number, number>>;
  readonly slowestMs: number;
  /** Of the heap after a collection, from the end of the first tenth to the end. */
  readonly heapGrowth: number;
  readonly failures: readonly Failure[];
}

const KINDS = [
  'openai',
  'anthropic',
  'bedrock',
  'vllm',
  'azure-openai',
  'openai-compatible',
] as const;
const HANG_MS = 5_000;
const MAX_FAILURES = 20;

export async function runFuzz({
  seed,
  bodies,
  from = 0,
}: {
  seed: number;
  bodies: number;
  from?: number;
}): Promise<FuzzReport> {
  const gateways = KINDS.map((kind) =>
    createTestGateway({ providerUrl: 'http://fuzz.example', kind }),
  );
  const statuses: Record<number, number> = {};
  const failures: Failure[] = [];
  let slowestMs = 0;
  let heapAtStart = 0;
  for (let index = from; index < from + bodies; index += 1) {
    if (index - from === Math.floor(bodies / 10)) heapAtStart = collectedHeapBytes();
    const random = createRandom(seed * 1_000_003 + index);
    const { status, ms, body, left } = await sendOne(random.pick(gateways), random);
    statuses[status] = (statuses[status] ?? 0) + 1;
    slowestMs = Math.max(slowestMs, ms);
    const what =
      left ?? (status >= 500 ? `status ${status}` : ms > HANG_MS ? `${ms} ms` : undefined);
    if (what !== undefined && failures.length < MAX_FAILURES)
      failures.push({ index, what, body: body.toString('latin1').slice(0, 2_000) });
  }
  const heapGrowth = collectedHeapBytes() / heapAtStart - 1;
  for (const gateway of gateways) gateway.close();
  return { bodies, statuses, slowestMs, heapGrowth, failures };
}

async function sendOne(gateway: TestGateway, random: Random) {
  const { path, body: valid } = random.pick(SEEDS);
  const body = mutatedBody(valid, random);
  const ports: Ports = {
    ...gateway.ports,
    upstream: cannedProvider,
    providerKeys: { ...gateway.ports.providerKeys, get: async () => 'sk-provider' },
  };
  const nowMs = Date.now();
  const startMs = performance.now();
  const response = await serve(ports, {
    method: 'POST',
    path,
    headers: { authorization: `Bearer ${gateway.key}` },
    body,
    requestId: `req_${random.text(22)}`,
    receivedAtMs: nowMs,
    deadlineMs: nowMs + 60_000,
  });
  if (typeof response.body !== 'string' && !Buffer.isBuffer(response.body))
    for await (const _chunk of response.body);
  await response.closed;
  const ms = performance.now() - startMs;
  return { status: response.status, ms, body, left: leftBehind(gateway) };
}

/** What a call must not leave: faults that operators would be told of, and books that are not closed. */
function leftBehind({ reports, events }: TestGateway): string | undefined {
  const [report] = reports.splice(0).filter((each) => !each.includes('invalid_request'));
  const count = events.splice(0).length;
  return report ?? (count > 1 ? `${count} usage events` : undefined);
}

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

function collectedHeapBytes(): number {
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}
