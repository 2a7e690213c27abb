import { existsSync, readFileSync } from 'node:fs';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buffered, createHarness, type Harness, streaming } from './harness.ts';

let harness: Harness;
beforeAll(() => {
  harness = createHarness();
});
afterAll(() => harness.close());

describe('a stream', () => {
  it('reaches the client chunk by chunk while the function is still sending', async () => {
    const pool = harness.pool(
      streaming(
        "const out = open(); for (let i = 0; i < 6; i++) { out.write('data: ' + Date.now() + '\\n\\n'); await sleep(100); } out.end();",
      ),
    );
    const { url } = await harness.front(pool);
    await readStream(`${url}/v1/warm`);
    const { chunks, headersAtMs, status } = await readStream(`${url}/v1/x`);
    expect(status).toBe(200);
    expect(chunks).toHaveLength(6);
    const sentAtMs = chunks.map(({ text }) => Number(text.slice('data: '.length)));
    expect(chunks[0]?.atMs).toBeLessThan(sentAtMs[2] ?? 0);
    expect(chunks[3]?.atMs).toBeLessThan(sentAtMs[5] ?? 0);
    expect((chunks.at(-1)?.atMs ?? 0) - headersAtMs).toBeGreaterThan(250);
  });

  it('sends status and headers with the first write and not before', async () => {
    const pool = harness.pool(
      streaming(
        "const out = open(201, { 'x-a': 'b' }); await sleep(200); out.write(''); await sleep(300); out.write('late'); out.end();",
      ),
    );
    const { url } = await harness.front(pool);
    await readStream(`${url}/v1/warm`);
    const startedAtMs = Date.now();
    const { headersAtMs, status, headers, chunks } = await readStream(`${url}/v1/x`);
    expect(status).toBe(201);
    expect(headers['x-a']).toBe('b');
    expect(headersAtMs - startedAtMs).toBeGreaterThanOrEqual(190);
    expect((chunks[0]?.atMs ?? 0) - headersAtMs).toBeGreaterThan(50);
  });

  it.each([
    ['ended without a write', 'open().end();'],
    ['ended with its only text, which passes no write', "open().end('text');"],
    ['that throws before its first write', "open(); throw new Error('no');"],
    [
      'without a prelude',
      "stream.setContentType('text/plain'); stream.write('x'.repeat(100)); stream.end();",
    ],
    [
      'whose prelude is not one',
      "stream.setContentType('application/vnd.awslambda.http-integration-response'); stream.write('{}' + '\\0'.repeat(8)); stream.end();",
    ],
    [
      'with a header that HTTP cannot carry',
      "open(200, { 'x-a': 'b\\nc' }).write('x'); stream.end();",
    ],
  ])('%s is a bad gateway in the words of the template', async (_, body) => {
    const { url } = await harness.front(harness.pool(streaming(body)));
    const response = await fetch(`${url}/v1/x`);
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ error: { code: 'internal_error' } });
  });

  it('that throws after its first byte is cut and does not look finished', async () => {
    const { url } = await harness.front(
      harness.pool(
        streaming("const out = open(); out.write('one'); await sleep(50); throw new Error('no');"),
      ),
    );
    const { status, chunks, complete } = await readStream(`${url}/v1/x`);
    expect({ status, text: chunks.map(({ text }) => text).join(''), complete }).toEqual({
      status: 200,
      text: 'one',
      complete: false,
    });
  });

  it('is cut when the environment dies, and the next call gets a new one', async () => {
    const pool = harness.pool(
      streaming(
        "const out = open(); out.write(String(process.pid)); await sleep(50); if (event.path === '/v1/die') process.exit(1); out.end();",
      ),
    );
    const { url } = await harness.front(pool);
    const died = await readStream(`${url}/v1/die`);
    const next = await readStream(`${url}/v1/live`);
    expect([died.status, died.complete, next.status, next.complete]).toEqual([
      200,
      false,
      200,
      true,
    ]);
    expect(next.chunks[0]?.text).not.toBe(died.chunks[0]?.text);
  });

  it('goes on in the function when the client leaves, and the function is not told', async () => {
    const pool = harness.pool(
      streaming(`const out = open(); let told = false; stream.on('close', () => { told ||= !stream.writableEnded; });
        for (let i = 0; i < 20; i++) { out.write('x'.repeat(20000)); await sleep(20); }
        out.end(); appendFileSync(process.env.DIR + '/left', told ? 'told' : 'finished');`),
    );
    const { url } = await harness.front(pool);
    const call = get(`${url}/v1/x`, (response) => response.once('data', () => call.destroy()));
    call.on('error', () => {});
    const file = join(harness.dir, 'left');
    await expect
      .poll(() => existsSync(file) && readFileSync(file, 'utf8'), { timeout: 5_000 })
      .toBe('finished');
    expect((await readStream(`${url}/v1/x`)).complete).toBe(true);
    expect(pool.environments()).toBe(1);
  });

  it('makes the function wait for a client that does not read', async () => {
    const pool = harness.pool(
      streaming(`const out = open(); const chunk = 'x'.repeat(65536); let written = 0;
        for (; written < 1000; written++) {
          if (!out.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
          appendFileSync(process.env.DIR + '/written', '.');
        }
        out.end();`),
    );
    const { url } = await harness.front(pool);
    const file = join(harness.dir, 'written');
    const written = (): number => (existsSync(file) ? readFileSync(file, 'utf8').length : 0);
    const call = get(`${url}/v1/x`, (response) => response.pause());
    const heldAt = await settled(written);
    expect(heldAt).toBeLessThan(500);
    call.destroy();
    await expect.poll(written, { timeout: 5_000 }).toBe(1000);
  });

  it('is cut at the integration timeout, and refused in the words of the template when nothing was sent', async () => {
    const api = {
      gatewayResponses: {
        INTEGRATION_TIMEOUT: {
          statusCode: 504,
          parameters: {
            'gatewayresponse.header.x-request-id': 'context.requestId',
            'gatewayresponse.header.x-own': "'yes'",
          },
          templates: {
            'application/json':
              '{"id":"$context.requestId","message":$context.error.messageString}',
          },
        },
      },
    };
    const pool = harness.pool(
      streaming(
        `if (event.path === '/v1/warm') return open().write('x');
         if (event.path === '/v1/mid') open().write('one');
         await sleep(3000); stream.end();`,
      ),
    );
    // The short time-out is for warm environments.
    const patient = await harness.front(pool, { api });
    await readStream(`${patient.url}/v1/warm`);
    const { url } = await harness.front(pool, { api, route: { timeoutMs: 700 } });
    const mid = await readStream(`${url}/v1/mid`);
    await readStream(`${patient.url}/v1/warm`);
    const silent = await fetch(`${url}/v1/silent`);
    expect(silent.status).toBe(504);
    expect(silent.headers.get('x-own')).toBe('yes');
    expect(await silent.json()).toEqual({
      id: silent.headers.get('x-request-id'),
      message: 'Endpoint request timed out',
    });
    expect([mid.status, mid.complete]).toEqual([200, false]);
  });

  it('is cut when it is silent for too long', async () => {
    const pool = harness.pool(
      streaming("const out = open(); out.write('one'); await sleep(3000); out.end();"),
    );
    const { url } = await harness.front(pool, { streamIdleTimeoutMs: 300 });
    expect(await readStream(`${url}/v1/x`)).toMatchObject({ status: 200, complete: false });
  });
});

describe('a buffered answer', () => {
  const route = { streaming: false };

  it('carries status, headers and body, as text or base64', async () => {
    const pool = harness.pool(
      buffered(`return event.path === '/v1/binary'
        ? { statusCode: 200, isBase64Encoded: true, body: Buffer.from([1, 255]).toString('base64') }
        : { statusCode: 201, headers: { 'x-a': 1 }, multiValueHeaders: { 'set-cookie': ['a=1', 'b=2'] }, body: 'é' };`),
    );
    const { url } = await harness.front(pool, { route });
    const text = await fetch(`${url}/v1/text`);
    expect([
      text.status,
      text.headers.get('x-a'),
      text.headers.getSetCookie(),
      await text.text(),
    ]).toEqual([201, '1', ['a=1', 'b=2'], 'é']);
    const binary = await fetch(`${url}/v1/binary`);
    expect([...new Uint8Array(await binary.arrayBuffer())]).toEqual([1, 255]);
  });

  it.each([
    ['is no response', 'return 7;'],
    ['has no status', "return { body: 'x' };"],
    ['fails', "throw new Error('no');"],
    ['is above 6 MB', "return { statusCode: 200, body: 'x'.repeat(7_000_000) };"],
  ])('that %s is a bad gateway', async (_, body) => {
    const { url } = await harness.front(harness.pool(buffered(body)), { route });
    expect((await fetch(`${url}/v1/x`)).status).toBe(502);
  });
});

describe('refusals of the gateway itself', () => {
  const api = {
    gatewayResponses: {
      MISSING_AUTHENTICATION_TOKEN: {
        statusCode: 404,
        parameters: {},
        templates: { 'application/json': '{"type":"$context.error.responseType"}' },
      },
      DEFAULT_4XX: {
        parameters: {},
        templates: { 'application/json': '{"message":$context.error.messageString}' },
      },
    },
  };

  it('are those of the template for a route that does not exist, and its defaults otherwise', async () => {
    const { url } = await harness.front(harness.pool(buffered('return 1;')), {
      api,
      route: { method: 'GET' },
    });
    const missing = await fetch(`${url}/v2/x`);
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { type: 'MISSING_AUTHENTICATION_TOKEN' },
    ]);
    expect((await fetch(`${url}/v1/x`, { method: 'POST' })).status).toBe(404);
    const large = await fetch(`${url}/v1/x`, { method: 'GET' });
    expect(large.status).toBe(502);
  });

  it('answer 413 to a body above 10 MB, announced or not, and to an event above 6 MB', async () => {
    const { url } = await harness.front(
      harness.pool(buffered("return { statusCode: 200, body: 'ok' };")),
      {
        api,
        route: { streaming: false },
      },
    );
    expect(await post(url, { bytes: 11_000_000, chunked: false })).toBe(413);
    expect(await post(url, { bytes: 11_000_000, chunked: true })).toBe(413);
    expect(await post(url, { bytes: 7_000_000, chunked: false })).toBe(413);
    expect(await post(url, { bytes: 5_000_000, chunked: true })).toBe(200);
  });

  it('answer 429 above the rate of the stage and above the reserved concurrency', async () => {
    const source = buffered("await sleep(200); return { statusCode: 200, body: 'ok' };");
    const rated = await harness.front(harness.pool(source), {
      api: { ...api, throttle: { ratePerSecond: 0.001, burst: 2 } },
      route: { streaming: false },
    });
    const reserved = await harness.front(harness.pool(source, { reservedConcurrency: 2 }), {
      api,
      route: { streaming: false },
    });
    for (const { url } of [rated, reserved]) {
      const statuses = await Promise.all(
        [1, 2, 3].map(async () => (await fetch(`${url}/v1/x`)).status),
      );
      expect(statuses.sort()).toEqual([200, 200, 429]);
    }
  });

  it('survive a client that speaks no HTTP or leaves in the middle of its body', async () => {
    const { url } = await harness.front(
      harness.pool(buffered("return { statusCode: 200, body: 'ok' };")),
      { route: { streaming: false } },
    );
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET //[ HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc',
    ]) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.write(bytes, () => setTimeout(() => socket.destroy(), 50)),
      );
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('close', resolve));
    }
    expect((await fetch(`${url}/v1/x`)).status).toBe(200);
  });
});

/** The value once it has grown and then stays the same for a while. */
async function settled(value: () => number): Promise<number> {
  let last = 0;
  for (let stable = 0; stable < 10; ) {
    await sleep(100);
    const now = value();
    stable = now > 0 && now === last ? stable + 1 : 0;
    last = now;
  }
  return last;
}

interface StreamRead {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly headersAtMs: number;
  readonly chunks: { text: string; atMs: number }[];
  readonly complete: boolean;
}

function readStream(url: string): Promise<StreamRead> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const chunks: { text: string; atMs: number }[] = [];
      const headersAtMs = Date.now();
      response.on('data', (chunk: Buffer) =>
        chunks.push({ text: chunk.toString(), atMs: Date.now() }),
      );
      response.on('error', () => {});
      response.once('close', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          headersAtMs,
          chunks,
          complete: response.complete,
        }),
      );
    }).on('error', reject);
  });
}

function post(
  url: string,
  { bytes, chunked }: { bytes: number; chunked: boolean },
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/v1/x`, { method: 'POST', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    // After a refusal the rest of the body may meet a closed connection.
    call.on('error', (error) => setTimeout(() => reject(error), 500));
    if (!chunked) call.setHeader('Content-Length', bytes);
    for (let sent = 0; sent < bytes; sent += 1_000_000)
      call.write(Buffer.alloc(Math.min(1_000_000, bytes - sent), 'x'));
    call.end();
  });
}
