import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Answered } from '../../../lambdas/proxy/streamed.ts';

/** What reaches the runtime, in its order, with the moment at which the books are closed. */
let told: string[];

beforeEach(() => {
  told = [];
  vi.stubGlobal('awslambda', {
    streamifyResponse: (handler: unknown) => handler,
    HttpResponseStream: {
      from(stream: Writable, head: object) {
        told.push(JSON.stringify(head));
        return stream;
      },
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

const out = () =>
  new Writable({
    decodeStrings: false,
    highWaterMark: 4,
    write(chunk, _encoding, done) {
      told.push(String(chunk));
      setTimeout(done, 2);
    },
  });

async function answered(body: Answered['body']): Promise<void> {
  const { streamed } = await import('../../../lambdas/proxy/streamed.ts');
  const closed = sleep(30).then(() => void told.push('closed'));
  const handler = streamed(async () => ({ status: 200, headers: { a: 'b' }, body, closed }));
  await Reflect.apply(handler, undefined, [{}, out(), {}]);
}

const HEAD = '{"statusCode":200,"headers":{"a":"b"}}';

describe('an answer', () => {
  it.each([
    ['text', 'hello'],
    ['bytes', Buffer.from('hello')],
  ])('of %s has its head first, and ends when the books are closed', async (_what, body) => {
    await answered(body);
    expect(told).toEqual([HEAD, '', 'hello', 'closed']);
  });

  it('that is empty has a head all the same', async () => {
    await answered('');
    expect(told.slice(0, 2)).toEqual([HEAD, '']);
    expect(told.at(-1)).toBe('closed');
  });

  it('that streams is written piece by piece, no faster than it is taken', async () => {
    async function* pieces() {
      for (const piece of ['first', 'second', 'third']) {
        yield Buffer.from(piece);
        expect(told).toContain(piece);
      }
    }
    await answered(pieces());
    expect(told).toEqual([HEAD, '', 'first', 'second', 'third', 'closed']);
  });

  it('that breaks is told as broken, after the books are closed', async () => {
    async function* pieces() {
      yield Buffer.from('first');
      throw new Error('broke');
    }
    await expect(answered(pieces())).rejects.toThrow('broke');
    expect(told).toEqual([HEAD, '', 'first', 'closed']);
  });
});
