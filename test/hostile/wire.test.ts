import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually } from '../e2e/instance.ts';
import { CANARIES, type HostileInstance, startHostileInstance } from './hostile-instance.ts';
import { chatBytes, connectTo, type RawAnswer, sendRaw } from './raw-http.ts';
import { runSlowClients } from './slow-clients.ts';
import { writtenDown } from './written-down.ts';

let instance: HostileInstance;
beforeAll(async () => {
  instance = await startHostileInstance();
});
afterAll(() => instance.close());

const LONGEST_MS = 5_000;
const SETTLED_MS = 30_000;
const CONTENT = `${CANARIES.prompt}, write to ${CANARIES.person}`;

function call(model: string, stream = false): object {
  return { model, stream, messages: [{ role: 'user', content: CONTENT }] };
}

/** Whatever the bytes: an answer that is no fault of ours, or none, and soon; and the next caller feels nothing. */
async function expectHarmless(bytes: string | Buffer): Promise<RawAnswer> {
  const answer = await sendRaw(instance.baseUrl, bytes, { withinMs: LONGEST_MS + 1_000 });
  expect(answer.ms).toBeLessThan(LONGEST_MS);
  expect(answer.status ?? 400).toBeLessThan(500);
  expect(answer.text).not.toMatch(/node:internal|\.ts:\d|arn:aws|HPE_/);
  return answer;
}

const POST = 'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n';
const keyed = (rest: string) => `${POST}authorization: Bearer ${instance.virtualKey}\r\n${rest}`;

describe('HTTP that is wrong', () => {
  it.each<[string, () => string | Buffer]>([
    ['two lengths', () => keyed('content-length: 2\r\ncontent-length: 3\r\n\r\n{}')],
    ['a list of lengths', () => keyed('content-length: 2, 2\r\n\r\n{}')],
    ['a negative length', () => keyed('content-length: -1\r\n\r\n')],
    ['a length with a sign', () => keyed('content-length: +2\r\n\r\n{}')],
    ['a length of 2^64', () => keyed('content-length: 18446744073709551616\r\n\r\n')],
    [
      'a length and chunks',
      () => keyed('content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    ['an obscured encoding', () => keyed('transfer-encoding: xchunked\r\n\r\n0\r\n\r\n')],
    ['an encoding behind a tab', () => keyed('transfer-encoding:\tchunked\r\n\r\n0\r\n\r\n')],
    ['an encoding before a colon', () => keyed('transfer-encoding : chunked\r\n\r\n0\r\n\r\n')],
    ['chunks twice', () => keyed('transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n')],
    ['a bad size of a chunk', () => keyed('transfer-encoding: chunked\r\n\r\nzz\r\n\r\n')],
    ['a folded header', () => keyed('x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n')],
    ['a NUL in a header', () => keyed('x-a: b\u0000c\r\ncontent-length: 0\r\n\r\n')],
    ['a bare line feed', () => keyed('x-a: b\nx-c: d\ncontent-length: 0\n\n')],
    ['a header without a name', () => keyed(': b\r\ncontent-length: 0\r\n\r\n')],
    ['a header of 64 KB', () => keyed(`x-a: ${'b'.repeat(65_536)}\r\n\r\n`)],
    ['3,000 headers', () => keyed(`${'x-a: b\r\n'.repeat(3_000)}\r\n`)],
    ['a path of 64 KB', () => `GET /${'a'.repeat(65_536)} HTTP/1.1\r\nhost: a\r\n\r\n`],
    ['another protocol', () => 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['HTTP/2 without asking', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', () => Buffer.from('1603010200010001fc0303', 'hex')],
    [
      'an upgrade',
      () => keyed('connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n'),
    ],
    ['CONNECT', () => 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\n'],
    ['TRACE', () => 'TRACE / HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['no host', () => 'GET /v1/models HTTP/1.1\r\n\r\n'],
    ['two hosts', () => 'GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
  ])('as %s is refused or hung up on', async (_, bytes) => {
    const { status } = await expectHarmless(bytes());
    expect(status ?? 400).toBeGreaterThanOrEqual(400);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'PROPFIND'])(
    'as %s of a list is refused',
    async (method) => {
      const head = `${method} /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n`;
      const { status } = await expectHarmless(`${head}content-length: 0\r\n\r\n`);
      expect(status).toBeGreaterThanOrEqual(400);
    },
  );

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://evil.example/v1/chat/completions',
    '//evil.example/v1/chat/completions',
    '/v1/../admin/v1/policy',
    '/v1/chat/completions/../../../admin/v1/policy',
    '/v1/%2e%2e/admin/v1/policy',
    '/v1%2fchat%2fcompletions',
    '/v1/chat/completions;/admin',
    '/v1//chat/completions',
    '/./v1/chat/completions',
    '/v1/chat/completions%00',
    '/v1/chat\\completions',
    '/admin/v1/policy',
    '/2015-03-31/functions/proxy/invocations',
  ])('with the path %s reaches no other place', async (path) => {
    for (const host of ['a', 'evil.example', '169.254.169.254', 'a/admin/v1/policy?', 'a@evil']) {
      const key = `authorization: Bearer ${instance.virtualKey}\r\n`;
      const answer = await expectHarmless(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${key}\r\n`);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toContain('tenants');
    }
  });

  it.each<[string, string, Buffer]>([
    ['a gigabyte of gzip', 'content-encoding: gzip', gzipSync(Buffer.alloc(100_000_000))],
    ['UTF-16', 'content-type: application/json; charset=utf-16', Buffer.from('{}', 'utf16le')],
    [
      'a form with a boundary of 5,000 letters',
      `content-type: multipart/form-data; boundary=${'-'.repeat(5_000)}`,
      Buffer.from(`--${'-'.repeat(5_000)}--`),
    ],
    ['bytes', 'content-type: application/octet-stream', Buffer.from([0xff, 0, 0xfe])],
  ])('with a body of %s is refused', async (_, header, body) => {
    const head = Buffer.from(keyed(`${header}\r\ncontent-length: ${body.length}\r\n\r\n`));
    expect((await expectHarmless(Buffer.concat([head, body]))).status).toBe(400);
  });

  it('that is merely old or hurried is served', async () => {
    const body = JSON.stringify(call('quick'));
    const head = `authorization: Bearer ${instance.virtualKey}\r\ncontent-length: ${body.length}\r\n`;
    const old = await sendRaw(
      instance.baseUrl,
      `POST /v1/chat/completions HTTP/1.0\r\n${head}\r\n${body}`,
    );
    expect(old.text).toContain(' 200 ');
    const twice = chatBytes(instance.virtualKey, call('quick')).repeat(2);
    const socket = connectTo(instance.baseUrl);
    let text = '';
    socket.on('data', (part) => {
      text += part.toString();
    });
    socket.write(twice);
    await expect.poll(() => text.split('HTTP/1.1 200').length - 1, { timeout: 10_000 }).toBe(2);
    socket.destroy();
  });

  it('of a key in two places that differ is no key', async () => {
    const bytes = chatBytes(instance.virtualKey, call('quick'), ['x-api-key: tg_other']);
    expect((await expectHarmless(bytes)).status).toBe(401);
  });
});

const usageSchema = z.object({
  scopes: z.array(z.object({ held: z.object({ nano_usd: z.number(), requests: z.number() }) })),
});

async function heldRequests(): Promise<number> {
  const { scopes } = usageSchema.parse(await instance.get('/v1/usage', instance.virtualKey));
  return scopes.reduce((sum, { held }) => sum + held.requests + held.nano_usd, 0);
}

describe('a client that leaves', () => {
  const half = (bytes: string) => bytes.slice(0, bytes.length - 20);
  it.each<[string, string, (bytes: string) => string, number, 'reset' | 'end' | 'destroy']>([
    ['in its upload', 'quick', half, 50, 'destroy'],
    ['in its upload, by a reset', 'quick', half, 50, 'reset'],
    ['before the first byte', 'thinks', String, 400, 'destroy'],
    ['before the first byte, by a reset', 'thinks', String, 400, 'reset'],
    ['in the middle of the stream', 'drips', String, 800, 'destroy'],
    ['in the middle of the stream, by a reset', 'drips', String, 800, 'reset'],
    ['by half, and reads on', 'drips', String, 100, 'end'],
  ])('%s has its hold settled within half a minute', async (_, model, cut, afterMs, how) => {
    const sockets = Array.from({ length: 5 }, () => {
      const socket = connectTo(instance.baseUrl);
      socket.resume();
      socket.write(cut(chatBytes(instance.virtualKey, call(model, true))));
      return socket;
    });
    await sleep(afterMs);
    for (const socket of sockets) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket[how]();
    }
    await eventually(async () => expect(await heldRequests()).toBe(0), SETTLED_MS);
    for (const socket of sockets) socket.destroy();
  });
});

it('dozens of clients that write and read slowly leave healthy callers their speed', async () => {
  const crowd = { slowloris: 40, slowReaders: 8, healthyMs: 1_500, arrivalMs: 1_500 };
  const report = await runSlowClients(instance, crowd);
  console.table({ '40 dribble, 8 do not read': report });
  expect(report.failures).toBe(0);
  // The promise of twice is for quiet machines and the full crowd: `npm run slow-clients`.
  expect(report.ratio).toBeLessThan(10);
});

it('nothing that was sent, said or secret is written down anywhere', async () => {
  for (const stream of [false, true]) {
    const bytes = chatBytes(instance.virtualKey, { ...call('quick', stream), nonsense: CONTENT });
    await sendRaw(instance.baseUrl, bytes);
    await sendRaw(instance.baseUrl, chatBytes(instance.virtualKey, call('quick', stream)));
  }
  const near = `${instance.virtualKey.slice(0, -1)}_`;
  await sendRaw(instance.baseUrl, chatBytes(near, call('quick')));
  await eventually(async () => {
    const files = (await writtenDown(instance.dataDir)).map(({ file }) => file);
    expect(files.some((file) => file.endsWith('.parquet'))).toBe(true);
  });
  const written = await writtenDown(instance.dataDir);
  const secrets = [...Object.values(CANARIES), instance.virtualKey, near];
  const found = written.flatMap(({ file, text }) =>
    secrets.filter((secret) => text.includes(secret)).map((secret) => ({ file, secret })),
  );
  expect(found).toEqual([]);
  // The same look finds what is there.
  for (const place of [/^logs\/proxy/, /^kinesis\/.*records/, /\.parquet$/]) {
    const there = written.filter(({ file }) => place.test(file)).map(({ text }) => text);
    expect(there.join('\n')).toContain('vk_');
  }
  console.table({
    canaries: { files: written.length, secrets: secrets.length, found: found.length },
  });
});
