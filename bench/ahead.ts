/**
 * `npm run bench:ahead`: what a call waits for before its first byte, with a table that answers after 4 ms. One stream at a
 * time, the ways interleaved: straight to the provider; reserved first and made ready after; made ready meanwhile.
 * Over a kept connection, and over TLS with a new one each time.
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
import { systemClock, systemTimer } from '../core/clock.ts';
import { newRequestId } from '../core/ids.ts';
import { createAccounts } from '../core/limits/accounts.ts';
import { compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import { type Ports, serve } from '../core/serve.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../core/tenancy/virtual-key.ts';
import { createHttpUpstream } from '../lambdas/adapters/http-upstream.ts';
import { createMemoryAccounts } from './targets/memory-accounts.ts';

const ROUND_TRIP_MS = 4;
/** A fast model. With one that answers sooner than the table, the first byte waits for the table. */
const FIRST_TOKEN_MS = 20;
const CALLS = 300;
const WARM_UP = 30;
const TIMES = { connectTimeoutMs: 2_000, firstByteTimeoutMs: 5_000, idleTimeoutMs: 5_000 };
const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n';
const END =
  'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\ndata: [DONE]\n\n';

type Way = 'direct' | 'reserved first' | 'ready meanwhile';
const WAYS: readonly Way[] = ['direct', 'reserved first', 'ready meanwhile'];

const key = newVirtualKey();
const upstream = createHttpUpstream({ clock: systemClock });
for (const isTls of [false, true]) {
  const provider = isTls ? https.createServer(certificate(), answer) : http.createServer(answer);
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const address = provider.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  await compare(`${isTls ? 'https' : 'http'}://127.0.0.1:${address.port}`, isTls);
  provider.closeAllConnections();
  provider.close();
}
upstream.close();

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume().once('end', async () => {
    await sleep(FIRST_TOKEN_MS);
    const isKept = !('encrypted' in request.socket);
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      connection: isKept ? 'keep-alive' : 'close',
    });
    response.write(EVENT);
    response.end(END);
  });
}

async function compare(providerUrl: string, isTls: boolean): Promise<void> {
  const ports = await portsTo(providerUrl);
  const samples = new Map<Way, number[]>(WAYS.map((way) => [way, []]));
  for (let call = 0; call < WARM_UP + CALLS; call += 1)
    for (const way of WAYS) {
      const ms = await (way === 'direct' ? direct(providerUrl) : through(ports, way));
      if (call >= WARM_UP) samples.get(way)?.push(ms);
    }
  const at = (way: Way, share: number) => {
    const sorted = (samples.get(way) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(share * sorted.length)] ?? 0;
  };
  process.stdout.write(`\n${isTls ? 'TLS, a new connection each' : 'plain, a kept connection'}\n`);
  for (const way of WAYS) {
    const [p50, p90] = [0.5, 0.9].map((share) => (at(way, share) - at('direct', share)).toFixed(2));
    process.stdout.write(`${way.padEnd(18)} added p50 ${p50} ms, p90 ${p90} ms\n`);
  }
}

async function portsTo(providerUrl: string): Promise<Ports> {
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
    upstream,
    usage: { put: async () => {} },
    report: (incident, fault) => process.stderr.write(`${incident}: ${String(fault)}\n`),
  };
}

function policyText(providerUrl: string): string {
  const route = '{ provider: sim, model: paid, price: { input: "$1", output: "$2" } }';
  return `time_zone: UTC
providers: { sim: { kind: openai, base_url: "${providerUrl}" } }
models:
  paid: { tier: shared, context_tokens: 128K, max_output_tokens: 1K, default_max_output_tokens: 100, routes: [${route}] }
tenants:
  acme:
    teams: { search: { owner: bench@example.com, limits: { requests_per_minute: 1200000, monthly_budget: "$1000000" } } }
    projects: { web: { team: search } }
`;
}

function bodyOf(model: string): string {
  return JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Hi' }] });
}

async function direct(url: string): Promise<number> {
  const startMs = performance.now();
  const deadlineMs = Date.now() + 10_000;
  const { body } = await upstream.send({
    url,
    headers: {},
    body: bodyOf('m'),
    ...TIMES,
    deadlineMs,
  });
  return firstByte(body, startMs);
}

async function through(ports: Ports, way: Way): Promise<number> {
  const { accounts } = ports;
  const seen = way === 'reserved first' ? { ...accounts, refusedLately: () => true } : accounts;
  const startMs = performance.now();
  const receivedAtMs = systemClock.nowMs();
  const { status, body, closed } = await serve(
    { ...ports, accounts: seen },
    {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${key}` },
      body: Buffer.from(bodyOf('paid')),
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
function certificate(): { key: Buffer; cert: Buffer } {
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
  const made = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
  rmSync(folder, { recursive: true });
  tls.setDefaultCACertificates([made.cert]);
  return made;
}
