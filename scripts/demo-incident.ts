/**
 * `npm run demo:incident -- <kind>`: plays one incident against a gateway of its own on this machine, until its alert is in
 * the e-mail topic's file and at a Slack webhook, and shows both. `--list` names the kinds; `--synth-cache <folder>`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { busDetail, type DemoKind, PLAYS } from './demo/plays.ts';
import { type Arrived, type DemoStage, openStage } from './demo/stage.ts';
import { putCalls, seedHistory } from './demo/usage.ts';

const PATIENCE_MS = 120_000;
const WINDOW_MS = 300_000;
const PARALLEL = 4;
/** No tenant's: the platform team's topic has them, and where a stage configures it AWS's chat service. */
const OF_NO_TENANT: readonly DemoKind[] = ['pool-headroom', 'books-differ'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean' }, 'synth-cache': { type: 'string' } },
});
const [kind] = positionals;
if (values.list === true) list();
else if (kind === undefined || !isDemoKind(kind)) {
  console.error('npm run demo:incident -- <kind>, where --list names the kinds');
  process.exitCode = 2;
} else await demonstrate(kind, values['synth-cache'] ?? '.tollgate/synth');

function isDemoKind(name: string): name is DemoKind {
  return Object.hasOwn(PLAYS, name);
}

function list(): void {
  for (const [name, play] of Object.entries(PLAYS)) {
    const seeded = 'history' in play ? ', history seeded' : '';
    console.log(`${name.padEnd(18)} by ${play.by}${seeded}`);
  }
}

async function demonstrate(kind: DemoKind, synthCacheDir: string): Promise<void> {
  const stage = await openStage(synthCacheDir);
  try {
    const beganMs = Date.now();
    await play(stage, kind);
    const arrived = await waitFor(stage, kind);
    show(kind, arrived, Date.now() - beganMs);
  } finally {
    await stage.close();
  }
}

async function play(stage: DemoStage, kind: DemoKind): Promise<void> {
  const chosen = PLAYS[kind];
  if (chosen.by === 'bus') {
    console.log(`${kind}: by its event on the bus, because ${chosen.why}`);
    return stage.putOnBus(chosen.detailType, busDetail(chosen.detailType, Date.now()));
  }
  await waitForWindow(kind);
  if (chosen.history !== undefined) {
    await seedHistory(stage, chosen.history);
    console.log('history seeded: 60 calls in the same hour of earlier days and weeks');
  }
  if (chosen.by === 'events') {
    const calls = chosen.groups.reduce((sum, group) => sum + group.calls, 0);
    console.log(`${kind}: by ${calls} usage events on the stream, dated into windows just past`);
    return putCalls(stage, chosen.groups);
  }
  await call(stage, kind, chosen);
}

/** What is judged must not move into another window meanwhile; a spike is not judged as the hour begins. */
async function waitForWindow(kind: DemoKind): Promise<void> {
  const leftMs = WINDOW_MS - (Date.now() % WINDOW_MS);
  const isNewHour = kind === 'spike' && Date.now() % 3_600_000 < WINDOW_MS;
  if (leftMs > 30_000 && !isNewHour) return;
  console.log(`waits ${Math.ceil(leftMs / 1000)} s for the next five minutes to begin`);
  await sleep(leftMs + 1_000);
}

async function call(
  stage: DemoStage,
  kind: DemoKind,
  { team, model, calls, stream = false }: Extract<(typeof PLAYS)[DemoKind], { by: 'calls' }>,
): Promise<void> {
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
      });
      // Some models break off in the middle, which is what they are for.
      await response.text().catch(() => '');
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, caller));
  const counts = [...statuses].map(([status, count]) => `${count} x ${status}`).join(', ');
  console.log(`${kind}: by ${calls} calls of team ${team} to ${model}, answered ${counts}`);
}

async function waitFor(stage: DemoStage, kind: DemoKind): Promise<Arrived> {
  const untilMs = Date.now() + PATIENCE_MS;
  while (Date.now() < untilMs) {
    const arrived = stage.arrived(kind);
    const isWhole = arrived.slack.length > 0 || OF_NO_TENANT.includes(kind);
    if (arrived.mails.length > 0 && isWhole) return arrived;
    await sleep(250);
  }
  throw new Error(`no alert of ${kind} came within ${PATIENCE_MS / 1000} s`);
}

function show(kind: DemoKind, { mails, slack }: Arrived, afterMs: number): void {
  console.log(`\nthe alert of ${kind} arrived after ${Math.round(afterMs / 100) / 10} s`);
  const [mail] = mails;
  for (const file of new Set(mails.map(({ file }) => file))) console.log(`e-mail topic: ${file}`);
  console.log(`\n${mail?.text ?? ''}\n`);
  const [payload] = slack;
  console.log(
    payload === undefined
      ? 'Slack: no tenant is concerned, so the platform topic alone has it'
      : `Slack payload: ${payload}`,
  );
}
