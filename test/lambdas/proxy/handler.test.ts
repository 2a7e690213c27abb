import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { ENV } from '../../../core/names.ts';
import { bundleLean } from '../../../lib/lean-bundle.ts';

/** Starts the bundle as a function's environment does, and tells in which order it connects to the table and loads its files. */
const LOADER = `
import { subscribe } from 'node:diagnostics_channel';
import { registerHooks } from 'node:module';
globalThis.awslambda = { streamifyResponse: (handler) => handler };
const tell = (what) => process.stdout.write(what + '\\n');
subscribe('net.client.socket', ({ socket }) => socket.once('connect', () => tell('connected')));
registerHooks({
  load(url, context, next) {
    tell(/([a-z]+)(-\\w+)?\\.mjs$/.exec(url)?.[1] ?? url);
    return next(url, context);
  },
});
const { handler } = await import(process.argv[1]);
tell(typeof handler);
process.exit();
`;

it('connects to the table before it loads what answers calls, and is ready without a policy', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-start-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  bundleLean('proxy', folder);
  const run = promisify(execFile);
  const args = ['--input-type=module', '--eval', LOADER, join(folder, 'index.mjs')];
  const { stdout } = await run(process.execPath, args, { env: await environment() });
  const told = stdout.trim().split('\n');
  expect(told.filter((what) => what !== 'connected')).toEqual([
    ...['index', 'chunk', 'snapshot', 'chat', 'start', 'function'],
  ]);
  expect(told).toContain('connected');
  expect(told.lastIndexOf('connected')).toBeLessThan(told.indexOf('start'));
});

/** Of a function whose table holds nothing. */
async function environment(): Promise<Record<string, string>> {
  const table = createServer((request, response) => {
    request.resume().once('end', () => response.end('{}'));
  }).listen(0, '127.0.0.1');
  await once(table, 'listening');
  onTestFinished(() => {
    table.close();
    table.closeAllConnections();
  });
  const address = table.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    ...Object.fromEntries(Object.values(ENV).map((name) => [name, '{}'])),
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${address.port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  };
}
