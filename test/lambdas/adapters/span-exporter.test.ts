import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import type { Span } from '../../../core/telemetry/spans.ts';
import {
  type BackgroundRequest,
  createBackgroundRequests,
} from '../../../lambdas/adapters/background-request.ts';
import { createSpanExporter, xrayCollector } from '../../../lambdas/adapters/span-exporter.ts';
import { otlpRequestSchema } from '../../support/observed.ts';

const background = createBackgroundRequests();
afterAll(() => background.close());

const SPAN: Span = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentId: undefined,
  name: 'reserve',
  kind: 'internal',
  startMs: 1_790_000_000_000,
  endMs: 1_790_000_000_012.5,
  attributes: { count: 3, share: 0.5, ok: true, long: 'x'.repeat(1_000), none: undefined },
  error: undefined,
};

it('sends spans to X-Ray signed, and to its own collector as it wants them', async () => {
  const sent: BackgroundRequest[] = [];
  const url = new URL('https://collector.example/otel/v1/traces');
  const xray = xrayCollector({
    region: 'eu-west-1',
    credentials: {
      get: async () => ({ accessKeyId: 'AKID', secretAccessKey: 's', sessionToken: 'token' }),
      renew: async () => undefined,
    },
    clock: { nowMs: () => 1_790_000_000_000 },
  });
  const own = { url, authorize: async () => ({ authorization: 'Bearer x' }) };
  const exporter = createSpanExporter({
    collectors: [xray, own],
    resource: { 'service.name': 'tollgate' },
    send: async (request) => void sent.push(request),
    clock: systemClock,
  });
  await exporter.export([SPAN]);
  expect(sent.map(({ url: { href } }) => href).sort()).toEqual([
    'https://collector.example/otel/v1/traces',
    'https://xray.eu-west-1.amazonaws.com/v1/traces',
  ]);
  const toXray = sent.find(({ url: { host } }) => host.startsWith('xray'));
  expect(toXray?.headers).toMatchObject({
    'content-type': 'application/json',
    'x-amz-security-token': 'token',
    authorization: expect.stringMatching(/\/eu-west-1\/xray\/aws4_request/),
  });
  const [span] =
    otlpRequestSchema.parse(JSON.parse(toXray?.body ?? '')).resourceSpans[0]?.scopeSpans[0]
      ?.spans ?? [];
  expect(span).toMatchObject({
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000012500000',
    attributes: [
      { key: 'count', value: { intValue: '3' } },
      { key: 'share', value: { doubleValue: 0.5 } },
      { key: 'ok', value: { boolValue: true } },
      { key: 'long', value: { stringValue: 'x'.repeat(256) } },
    ],
  });
});

it('makes no queue before a collector that is slow', async () => {
  const held = Promise.withResolvers<void>();
  const exporter = createSpanExporter({
    collectors: [{ url: new URL('https://slow.example/v1/traces') }],
    resource: {},
    send: () => held.promise,
    clock: systemClock,
  });
  const first = Array.from({ length: 16 }, () => exporter.export([SPAN]));
  await expect(exporter.export([SPAN])).rejects.toThrow('too many exports');
  held.resolve();
  await Promise.all(first);
  await exporter.export([SPAN]);
});

it('leaves a collector that failed alone for five seconds', async () => {
  let nowMs = 0;
  let tries = 0;
  const exporter = createSpanExporter({
    collectors: [{ url: new URL('https://out.example/v1/traces') }],
    resource: {},
    send: async () => {
      tries += 1;
      if (tries === 1) throw new Error('out');
    },
    clock: { nowMs: () => nowMs },
  });
  await expect(exporter.export([SPAN])).rejects.toThrow('out');
  nowMs = 4_999;
  await expect(exporter.export([SPAN])).rejects.toThrow('a moment ago');
  nowMs = 5_000;
  await exporter.export([SPAN]);
  expect(tries).toBe(2);
});

it('gives up on a collector that takes a connection and says nothing', async () => {
  const server = createServer((socket) => socket.resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const startMs = performance.now();
  const request = background.send({
    method: 'POST',
    url: new URL(`http://127.0.0.1:${port}/v1/traces`),
    headers: {},
    body: '{}',
    timeoutMs: 200,
  });
  await expect(request).rejects.toThrow();
  expect(performance.now() - startMs).toBeLessThan(2_000);
  background.close();
  server.close();
});
