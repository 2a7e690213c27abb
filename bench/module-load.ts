/**
 * Loads one module in this fresh process and prints how many milliseconds that took, and how many it took until the module
 * asked somebody for something. Started by cold-start.ts.
 */
import { subscribe } from 'node:diagnostics_channel';
import { pathToFileURL } from 'node:url';

// The runtime brings this global before it loads a handler; only its shape matters here.
const streamifyResponse = (handler: unknown): unknown => handler;
Object.assign(globalThis, { awslambda: { streamifyResponse, HttpResponseStream: {} } });

let askedAtMs: number | undefined;
// A socket of whatever client: the bundle speaks HTTP by hand.
subscribe('net.client.socket', () => {
  askedAtMs ??= performance.now();
});

const file = pathToFileURL(process.argv[2] ?? '').href;
const startedAtMs = performance.now();
await import(file);
const loadedAtMs = performance.now();
const times = {
  loadMs: loadedAtMs - startedAtMs,
  askedMs: (askedAtMs ?? loadedAtMs) - startedAtMs,
};
process.stdout.write(JSON.stringify(times));
process.exit();
