/** The table stub behind HTTP in a process of its own, and what the bench asks it between two measurements. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { parseRecord } from '../../core/dialects/json-record.ts';
import { listen, runChildServer } from '../child-server.ts';
import { nowUs } from '../stamps.ts';
import { COUNTS_PATH, type TableOptions } from './table.ts';
import { createTableStub, type TableStub } from './table-stub.ts';

const optionsSchema: z.ZodType<TableOptions> = z.object({
  roundTripMs: z.number(),
  unitsPerSecond: z.number(),
});

/** Of each call to a table, so that the bench can say which waited for which. Bounded: older ones are forgotten. */
const MAX_SPANS = 2_000;

runChildServer(optionsSchema, ({ roundTripMs, unitsPerSecond }) => {
  const stub = createTableStub({ unitsPerSecond });
  const spans: [number, number][] = [];
  return listen((request, response) => {
    if (request.url === COUNTS_PATH) {
      const counts = { ...stub.takeCounts(), openHolds: stub.openHolds() };
      response.end(JSON.stringify({ ...counts, spans: spans.splice(0) }));
      return;
    }
    serve({ stub, roundTripMs, spans }, request, response).catch((fault: unknown) => {
      process.stderr.write(`${String(fault)}\n`);
      response.destroy();
    });
  });
});

interface Server {
  readonly stub: TableStub;
  readonly roundTripMs: number;
  readonly spans: [number, number][];
}

async function serve(
  { stub, roundTripMs, spans }: Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const beganAtUs = nowUs();
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const target = String(request.headers['x-amz-target']);
  const input = parseRecord(Buffer.concat(chunks).toString()) ?? {};
  if (roundTripMs > 0) await sleep(roundTripMs);
  const { status, body } = stub.answer(target, input);
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.0',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
  if (!target.startsWith('DynamoDB')) return;
  spans.push([beganAtUs, nowUs()]);
  if (spans.length > MAX_SPANS) spans.shift();
}
