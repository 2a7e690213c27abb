/**
 * An answer to its end, no faster than its caller takes it. What `pipeline` does for any number of streams, for the one
 * that there is: without its iterator and its abort signal, which cost a call more than its bytes.
 */
import { finished, type Writable } from 'node:stream';
import type { GatewayResponse } from '../../core/response.ts';

/** Rejects where the answer breaks or its caller leaves; an answer that is not wanted any more is told so. */
export async function writeAnswer(body: GatewayResponse['body'], out: Writable): Promise<void> {
  const ended = Promise.withResolvers<void>();
  finished(out, (fault) => (fault == null ? ended.resolve() : ended.reject(fault)));
  // Whoever waits for it sees its fault; until then nobody does.
  ended.promise.catch(() => undefined);
  if (typeof body === 'string' || Buffer.isBuffer(body)) out.end(body);
  else {
    try {
      for await (const chunk of body) {
        if (out.destroyed) await ended.promise;
        else if (!out.write(chunk)) await Promise.race([drained(out), ended.promise]);
      }
      out.end();
    } catch (fault) {
      out.destroy();
      throw fault;
    }
  }
  await ended.promise;
}

function drained(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    out.once('drain', resolve);
  });
}
