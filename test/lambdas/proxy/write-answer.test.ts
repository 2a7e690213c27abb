import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { writeAnswer } from '../../../lambdas/proxy/write-answer.ts';

/** A caller that takes the first bytes and no more. */
function stuck(taken: string[]): Writable {
  return new Writable({
    highWaterMark: 4,
    write(chunk) {
      taken.push(String(chunk));
    },
  });
}

function pieces(told: string[]) {
  async function* generate() {
    try {
      for (const piece of ['first', 'second', 'third']) {
        told.push(`read ${piece}`);
        yield Buffer.from(piece);
      }
    } finally {
      told.push('returned');
    }
  }
  return generate();
}

describe('an answer whose caller leaves', () => {
  it('while it waits to be taken ends there, and is told so', async () => {
    const told: string[] = [];
    const out = stuck(told);
    const written = writeAnswer(pieces(told), out);
    setTimeout(() => out.destroy(), 5);
    await expect(written).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    expect(told).toEqual(['read first', 'first', 'returned']);
  });

  it('before its next piece ends there, and is told so', async () => {
    const told: string[] = [];
    const out = new Writable({ write: (_chunk, _encoding, done) => done() });
    async function* answer() {
      yield* pieces(told);
    }
    const body = answer();
    const written = writeAnswer(
      {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            if (told.includes('read first')) out.destroy();
            return body.next();
          },
          return: async () => body.return(undefined),
        }),
      },
      out,
    );
    await expect(written).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    expect(told).toEqual(['read first', 'read second', 'returned']);
  });

  it('in the middle of a whole answer rejects', async () => {
    const out = stuck([]);
    const written = writeAnswer('whole', out);
    out.destroy();
    await expect(written).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });
});
