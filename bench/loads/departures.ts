/** Callers that leave in the middle of a stream: how long the provider still works for them, and whether the books are closed. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { ENDINGS_PATH, MODELS } from '../models.ts';
import type { Load } from './load.ts';

const QUESTION = { model: MODELS.paced };
const READS = 5;
const LONGEST_MS = 2_000;
const STEP_MS = 20;
/** From the end of the answer to the last write of the books. */
const BOOKS_MS = 200;
const endingsSchema = z.array(z.number());

export const departures: Load = async ({ target, client }, { plan, providerUrl }) => {
  const { table } = target;
  if (table === undefined) return {};
  const endings = async () =>
    endingsSchema.parse(await (await fetch(`${providerUrl}${ENDINGS_PATH}`)).json());
  await table.take();
  await endings();
  const waitsMs: number[] = [];
  for (let index = 0; index < plan.departures; index += 1) {
    const leftAtUs = await client.leave(QUESTION, READS);
    waitsMs.push(((await firstOf(endings)) - leftAtUs) / 1e3);
  }
  await sleep(BOOKS_MS);
  const { events, openHolds } = await table.take();
  return {
    leftMax: Math.max(...waitsMs),
    leftSettled: events / plan.departures,
    leftHolds: openHolds,
  };
};

async function firstOf(endings: () => Promise<readonly number[]>): Promise<number> {
  for (let waitedMs = 0; waitedMs < LONGEST_MS; waitedMs += STEP_MS) {
    const [first] = await endings();
    if (first !== undefined) return first;
    await sleep(STEP_MS);
  }
  throw new Error('the provider still answers somebody who has left');
}
