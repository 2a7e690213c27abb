/**
 * `npm run bench:ahead`: what a call waits for before its first byte, with a table that answers after 4 ms. One stream at a
 * time, the ways interleaved: straight to the provider; reserved first and made ready after; made ready meanwhile; and all
 * of it but its end sent meanwhile. Over kept connections, plain and encrypted, and over TLS with a new one each time; with
 * prompts of a few bytes and of 400 kB. The provider is a thread of its own.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as z from 'zod/mini';
import { systemClock, systemTimer } from '../core/clock.ts';
import { newRequestId } from '../core/ids.ts';
import { createAccounts } from '../core/limits/accounts.ts';
import { compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import type { UpstreamPort } from '../core/providers/upstream.ts';
import { type Ports, serve } from '../core/serve.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../core/tenancy/virtual-key.ts';
import { createHttpUpstream } from '../lambdas/adapters/http-upstream.ts';
import { createMemoryAccounts } from './targets/memory-accounts.ts';

const ROUND_TRIP_MS = 4;
/** A fast model. With one that answers sooner than the table, the first byte waits for the table. */
const FIRST_TOKEN_MS = 20;
const PROMPT_BYTES = [9, 400_000];
const CALLS = 150;
const WARM_UP = 20;
const TIMES = { connectTimeoutMs: 2_000, firstByteTimeoutMs: 5_000, idleTimeoutMs: 5_000 };
const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n';
const END =
  'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\ndata: [DONE]\n\n';

type Way = 'direct' | 'reserved first' | 'ready meanwhile' | 'sent but for its end';
const WAYS: readonly Way[] = [
  'direct',
  'reserved first',
  'ready meanwhile',
  'sent but for its end',
];
const WIRES = ['plain, kept', 'TLS, kept', 'TLS, a new connection each'] as const;
type Wire = (typeof WIRES)[number];

const providerSchema = z.object({ wire: z.enum(WIRES), key: z.string(), cert: z.string() });
const key = newVirtualKey();

async function main(): Promise<void> {
  const upstream = createHttpUpstream({ clock: systemClock });
  const made = certificate();
  tls.setDefaultCACertificates([made.cert]);
  for (const wire of WIRES) {
    const provider = new Worker(new URL(import.meta.url), { workerData: { wire, ...made } });
    const [port] = await once(provider, 'message');
    const url = `${wire === 'plain, kept' ? 'http' : 'https'}://127.0.0.1:${port}`;
    for (const promptBytes of PROMPT_BYTES) await compare(upstream, { url, wire, promptBytes });
    await provider.terminate();
  }
  upstream.close();
}

async function provide({ wire, key, cert }: z.infer<typeof providerSchema>): Promise<void> {
  const answer: http.RequestListener = (request, response) => {
    request.resume().once('end', async () => {
      await sleep(FIRST_TOKEN_MS);
      const connection = wire.endsWith('kept') ? 'keep-alive' : 'close';
      response.writeHead(200, { 'content-type': 'text/event-stream', connection });
      response.write(EVENT);
      response.end(END);
    });
  };
  const isPlain = wire === 'plain, kept';
  const server = isPlain ? http.createServer(answer) : https.createServer({ key, cert }, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  parentPort?.postMessage(typeof address === 'string' ? undefined : address?.port);
}

interface Comparison {
  readonly url: string;
  readonly wire: Wire;
  readonly promptBytes: number;
}

async function compare(upstream: UpstreamPort, { url, wire, promptBytes }: Comparison) {
  const ports = { ...(await portsTo(url)), upstream };
  const prompt = 'Hi, you. '.repeat(Math.ceil(promptBytes / 9));
  const samples = new Map<Way, number[]>(WAYS.map((way) => [way, []]));
  for (let call = 0; call < WARM_UP + CALLS; call += 1)
    for (const way of WAYS) {
      const ms = await (way === 'direct'
        ? direct(upstream, url, prompt)
        : through(ports, way, prompt));
      if (call >= WARM_UP) samples.get(way)?.push(ms);
    }
  const at = (way: Way, share: number) => {
    const sorted = (samples.get(way) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(share * sorted.length)] ?? 0;
  };
  process.stdout.write(`\n${wire}, a prompt of ${promptBytes} bytes\n`);
  for (const way of WAYS) {
    const [p25, p50] = [0.25, 0.5].map((share) =>
      (at(way, share) - at('direct', share)).toFixed(2),
    );
    process.stdout.write(`${way.padEnd(20)} added p25 ${p25} ms, p50 ${p50} ms\n`);
  }
}

async function portsTo(providerUrl: string): Promise<Omit<Ports, 'upstream'>> {
  const parsed = parsePolicy(policyText(providerUrl), 'bench');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const { snapshot, accounts } = compilePolicy(parsed.policy, 1, Date.now());
  const keyId = keyIdOf(hashKey(key));
  const of = { tenantId: 'acme', teamId: 'search', projectId: 'web', owner: 'bench' };
  const record = { ...of, keyId, limits: {}, createdAtMs: 0, pinnedTags: {}, features: [] };
  const keyAccount = { scope: { kind: 'key', keyId }, limits: {} } as const;
  const memory = await createMemoryAccounts([...accounts, keyAccount]);
  const store: typeof memory = {
    ...memory,
    write: async (...asked) => {
      await sleep(ROUND_TRIP_MS);
      return memory.write(...asked);
    },
  };
  return {
    clock: systemClock,
    timer: systemTimer,
    directory: { findKey: async () => record, policy: async () => snapshot },
    accounts: createAccounts({ store, clock: systemClock }),
    cancellations: { mark: async () => {}, isMarked: async () => false },
    rollups: { readCollection: async () => [] },
    providerKeys: { get: async () => undefined, cacheSecret: async () => 'none' },
    usage: { put: async () => {} },
    report: (incident, fault) => process.stderr.write(`${incident}: ${String(fault)}\n`),
  };
}

function policyText(providerUrl: string): string {
  const route = '{ provider: sim, model: paid, price: { input: "$1", output: "$2" } }';
  return `time_zone: UTC
providers: { sim: { kind: openai, base_url: "${providerUrl}" } }
models:
  paid: { tier: shared, context_tokens: 1M, max_output_tokens: 1K, default_max_output_tokens: 100, routes: [${route}] }
tenants:
  acme:
    teams: { search: { owner: bench@example.com, limits: { requests_per_minute: 1200000, monthly_budget: "$1000000" } } }
    projects: { web: { team: search } }
`;
}

function bodyOf(model: string, prompt: string): string {
  return JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: prompt }] });
}

async function direct(upstream: UpstreamPort, url: string, prompt: string): Promise<number> {
  const text = Buffer.from(bodyOf('m', prompt));
  const startMs = performance.now();
  const deadlineMs = Date.now() + 10_000;
  const { body } = await upstream.send({ url, headers: {}, body: [text], ...TIMES, deadlineMs });
  return firstByte(body, startMs);
}

async function through(ports: Ports, way: Way, prompt: string): Promise<number> {
  const accounts = {
    ...ports.accounts,
    refusedLately: () => way === 'reserved first',
    hadPlenty: () => way === 'sent but for its end',
  };
  const text = Buffer.from(bodyOf('paid', prompt));
  const startMs = performance.now();
  const receivedAtMs = systemClock.nowMs();
  const { status, body, closed } = await serve(
    { ...ports, accounts },
    {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${key}` },
      body: text,
      requestId: newRequestId(),
      receivedAtMs,
      deadlineMs: receivedAtMs + 60_000,
    },
  );
  if (status !== 200 || typeof body === 'string' || Buffer.isBuffer(body))
    throw new Error(`no stream: ${status} ${String(body)}`);
  const ms = await firstByte(body, startMs);
  await closed;
  return ms;
}

async function firstByte(body: AsyncIterable<unknown>, startMs: number): Promise<number> {
  let ms: number | undefined;
  for await (const _chunk of body) ms ??= performance.now() - startMs;
  return ms ?? Number.NaN;
}

/** Made for this run; trusted by this process alone. */
function certificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
  ];
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
  execFileSync('openssl', [...kind, ...names, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  });
  const made = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
  rmSync(folder, { recursive: true });
  return made;
}

if (isMainThread) await main();
else await provide(providerSchema.parse(workerData));
