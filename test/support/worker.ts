/** The proxy's handler as a worker of managed instances has it: one module, any number of calls at a time. */
import { Writable } from 'node:stream';
import { vi } from 'vitest';
import * as z from 'zod';

export interface Worker {
  call(key: string, request: WorkerCall): Promise<WorkerAnswer>;
  /** Everything that was written to the logs, parsed. */
  lines(): z.infer<typeof lineSchema>[];
  mostAtOnce(): number;
  /** How often a piece of an answer followed one of another call. */
  turns(): number;
  close(): void;
}

interface WorkerCall {
  readonly path?: string;
  readonly body?: object;
  readonly onHead?: (requestId: string) => void;
  /** Leaves after so many pieces. */
  readonly leavesAfter?: number | undefined;
}

interface WorkerAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly text: string;
  /** The invocation ended by a fault. */
  readonly isBroken: boolean;
}

const headSchema = z.object({
  statusCode: z.number(),
  headers: z.looseObject({ 'x-request-id': z.string() }),
});
const lineSchema = z.looseObject({
  message: z.string().optional(),
  path: z.string().optional(),
  requestId: z.string().optional(),
  Requests: z.union([z.number(), z.array(z.number())]).optional(),
});

/** Sets the environment for as long as the worker is open, since the handler reads it when it is loaded. */
export async function openWorker(env: Readonly<Record<string, string>>): Promise<Worker> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const heads = new WeakMap<object, (head: unknown) => void>();
  vi.stubGlobal('awslambda', {
    streamifyResponse: (handler: unknown) => handler,
    HttpResponseStream: {
      from(stream: Writable, head: unknown) {
        heads.get(stream)?.(head);
        return stream;
      },
    },
  });
  const written: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    }),
  );
  vi.resetModules();
  const { handler } = await import('../../lambdas/proxy/handler.ts');
  let running = 0;
  let most = 0;
  let turns = 0;
  let last: Writable | undefined;

  async function call(
    key: string,
    { path = '/v1/chat/completions', body, onHead, leavesAfter }: WorkerCall,
  ): Promise<WorkerAnswer> {
    const parts: string[] = [];
    const out = new Writable({
      write(chunk, _encoding, done) {
        if (last !== out) turns += 1;
        last = out;
        parts.push(String(chunk));
        done(parts.length - 1 === leavesAfter ? new Error('the client left') : null);
      },
    });
    let head: z.infer<typeof headSchema> | undefined;
    heads.set(out, (given) => {
      head = headSchema.parse(given);
      onHead?.(head.headers['x-request-id']);
    });
    running += 1;
    most = Math.max(most, running);
    const event = {
      httpMethod: 'POST',
      path,
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(body ?? {}),
    };
    const context = { getRemainingTimeInMillis: () => 60_000 };
    const isBroken = await Promise.resolve(
      Reflect.apply(handler, undefined, [event, out, context]),
    ).then(
      () => false,
      () => true,
    );
    running -= 1;
    if (head === undefined) throw new Error('no head');
    const { statusCode: status, headers } = head;
    return { status, requestId: headers['x-request-id'], text: parts.join(''), isBroken };
  }

  return {
    call,
    lines: () =>
      written
        .join('')
        .split('\n')
        .flatMap((line) => (line.startsWith('{') ? [lineSchema.parse(JSON.parse(line))] : [])),
    mostAtOnce: () => most,
    turns: () => turns,
    close() {
      for (const spy of spies) spy.mockRestore();
      vi.unstubAllEnvs();
      vi.unstubAllGlobals();
    },
  };
}
