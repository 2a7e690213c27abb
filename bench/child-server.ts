/** A server in a process of its own: the parent forks it, tells it what it needs, and is told its address. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

const readySchema = z.object({ url: z.string() });
const START_TIMEOUT_MS = 30_000;

export interface ChildServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** `module` is a file URL; `options` reach its `runChildServer`. What a quiet one prints is thrown away; `env` comes on top of ours. */
export async function startChildServer(
  module: string,
  options: object,
  { isQuiet = false, env = {} }: { isQuiet?: boolean; env?: Readonly<Record<string, string>> } = {},
): Promise<ChildServer> {
  const child = fork(fileURLToPath(module), {
    env: { ...process.env, ...env },
    stdio: ['ignore', isQuiet ? 'ignore' : 'inherit', 'inherit', 'ipc'],
  });
  const stop = () => stopChild(child);
  try {
    child.send(options);
    const { url } = readySchema.parse(await firstMessage(child));
    if (child.pid === undefined) throw new Error('a process without an id');
    return { url, pid: child.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Within the child: starts when the parent has sent the options, ends when the parent is gone or closes the channel. */
export function runChildServer<T>(
  optionsSchema: z.ZodType<T>,
  start: (options: T) => Promise<string>,
): void {
  process.once('disconnect', () => process.exit());
  process.once('message', async (message) => {
    const url = await start(optionsSchema.parse(message));
    process.send?.({ url });
  });
}

/** On any free port of 127.0.0.1. Resolves to its address. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return `http://127.0.0.1:${address.port}`;
}

/** By events, since an iterator of a stream costs a call as much as half of its path. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

/** Whether a pipeline broke because the other side went away, which is no fault. */
export function hasLeft(fault: unknown): boolean {
  return fault instanceof Error && 'code' in fault && fault.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function firstMessage(child: ChildProcess): Promise<unknown> {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the process ended with ${code} before it was ready`);
  });
  ended.catch(() => undefined);
  const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
  return message;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  else child.kill('SIGKILL');
  await exited;
}
