/** The table stub behind HTTP in a process of its own, and what the bench asks it between two measurements. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { parseRecord } from '../../core/dialects/json-record.ts';
import { runChildServer } from '../child-server.ts';
import { nowUs } from '../stamps.ts';
import { COUNTS_PATH, type TableOptions } from './table.ts';
import { createTableStub } from './table-stub.ts';
import { listenWire, type WireAnswer, type WireRequest } from './wire.ts';

const optionsSchema: z.ZodType<TableOptions> = z.object({
  roundTripMs: z.number(),
  unitsPerSecond: z.number(),
});

/** Of each call to a table, so that the bench can say which waited for which. Bounded: older ones are forgotten. */
const MAX_SPANS = 2_000;

runChildServer(optionsSchema, ({ roundTripMs, unitsPerSecond }) => {
  const stub = createTableStub({ unitsPerSecond });
  const spans: [number, number][] = [];
  const answered = ({ target, body }: WireRequest, beganAtUs: number): WireAnswer => {
    const { status, body: answer } = stub.answer(target, parseRecord(body) ?? {});
    if (target.startsWith('DynamoDB')) {
      spans.push([beganAtUs, nowUs()]);
      if (spans.length > MAX_SPANS) spans.shift();
    }
    return { status, text: JSON.stringify(answer) };
  };
  return listenWire((request) => {
    if (request.path === COUNTS_PATH) {
      const counts = { ...stub.takeCounts(), openHolds: stub.openHolds() };
      return { status: 200, text: JSON.stringify({ ...counts, spans: spans.splice(0) }) };
    }
    const beganAtUs = nowUs();
    return roundTripMs > 0
      ? sleep(roundTripMs).then(() => answered(request, beganAtUs))
      : answered(request, beganAtUs);
  });
});
