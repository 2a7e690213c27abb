/** Callers that leave in the middle of a stream: how soon the provider's connection is closed, and whether the books are. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { DEPARTURES_PATH, MODELS } from '../models.ts';
import type { Load } from './load.ts';

const QUESTION = { model: MODELS.paced };
const READS = 5;
const SETTLE_MS = 150;
const departuresSchema = z.array(z.number());

export const departures: Load = async ({ target, client }, { plan, providerUrl }) => {
  const { table } = target;
  if (table === undefined) return {};
  const seen = async () =>
    departuresSchema.parse(await (await fetch(`${providerUrl}${DEPARTURES_PATH}`)).json());
  await table.take();
  await seen();
  const waitsMs: number[] = [];
  for (let index = 0; index < plan.departures; index += 1) {
    const leftAtUs = await client.leave(QUESTION, READS);
    await sleep(SETTLE_MS);
    const [closedAtUs = Number.POSITIVE_INFINITY] = await seen();
    waitsMs.push((closedAtUs - leftAtUs) / 1e3);
  }
  const { events } = await table.take();
  return { leftMax: Math.max(...waitsMs), leftSettled: events / plan.departures };
};
