/** Loads one module in this fresh process and prints how many milliseconds that took. Started by cold-start.ts. */
import { pathToFileURL } from 'node:url';

// The runtime brings this global before it loads a handler; only its shape matters here.
const streamifyResponse = (handler: unknown): unknown => handler;
Object.assign(globalThis, { awslambda: { streamifyResponse, HttpResponseStream: {} } });

const file = pathToFileURL(process.argv[2] ?? '').href;
const startedAtMs = performance.now();
await import(file);
process.stdout.write(String(performance.now() - startedAtMs));
process.exit();
