/** Plays one incident on a stage, and waits until its alert has come by e-mail and to Slack. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AlertKind } from '../../core/alerts/alert.ts';
import { busDetail, PLAYS, type Play } from './plays.ts';
import type { Arrived, DemoStage } from './stage.ts';
import { putCalls, seedHistory } from './usage.ts';

const PATIENCE_MS = 120_000;
const WINDOW_MS = 300_000;
const PARALLEL = 4;

export async function perform(
  stage: DemoStage,
  kind: AlertKind,
  signal: AbortSignal,
): Promise<Arrived> {
  await play(stage, kind, signal);
  const untilMs = Date.now() + PATIENCE_MS;
  while (Date.now() < untilMs) {
    const arrived = stage.arrived(kind);
    if (arrived.mails.length > 0 && arrived.slack.length > 0) return arrived;
    await sleep(250, undefined, { signal });
  }
  throw new Error(`no alert of ${kind} came within ${PATIENCE_MS / 1000} s`);
}

async function play(stage: DemoStage, kind: AlertKind, signal: AbortSignal): Promise<void> {
  const chosen: Play = PLAYS[kind];
  if (chosen.by === 'bus') {
    console.log(`${kind}: by its event on the bus, because ${chosen.why}`);
    return stage.putOnBus(chosen.detailType, busDetail(chosen.detailType, Date.now()));
  }
  await waitForWindow(kind, signal);
  if (chosen.history !== undefined) {
    await seedHistory(stage, chosen.history);
    console.log('history seeded: 60 calls in the same hour of earlier days and weeks');
  }
  if (chosen.by === 'events') {
    const calls = chosen.groups.reduce((sum, group) => sum + group.calls, 0);
    console.log(`${kind}: by ${calls} usage events on the stream, dated into windows just past`);
    return putCalls(stage, chosen.groups);
  }
  const answers = await call(stage, chosen, signal);
  console.log(
    `${kind}: by ${chosen.calls} calls of team ${chosen.team} to ${chosen.model}, answered ${answers}`,
  );
}

/** What is judged must not move into another window meanwhile; a spike is not judged as the hour begins. */
async function waitForWindow(kind: AlertKind, signal: AbortSignal): Promise<void> {
  const leftMs = WINDOW_MS - (Date.now() % WINDOW_MS);
  const isNewHour = kind === 'spike' && Date.now() % 3_600_000 < WINDOW_MS;
  if (leftMs > 30_000 && !isNewHour) return;
  console.log(`waits ${Math.ceil(leftMs / 1000)} s for the next five minutes to begin`);
  await sleep(leftMs + 1_000, undefined, { signal });
}

/** Gives how many answers had which status. */
async function call(
  stage: DemoStage,
  { team, model, calls, stream = false }: Extract<Play, { by: 'calls' }>,
  signal: AbortSignal,
): Promise<string> {
  const key = await stage.keyOf(team);
  const statuses = new Map<number, number>();
  const body = JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hello' }] });
  const left = Array.from({ length: calls }).values();
  const caller = async () => {
    for (const _ of left) {
      const response = await fetch(`${stage.baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body,
        signal,
      });
      // Some models break off in the middle, which is what they are for.
      await response.text().catch(() => '');
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, caller));
  return [...statuses].map(([status, count]) => `${count} x ${status}`).join(', ');
}
