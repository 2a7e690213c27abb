/**
 * `npm run demo:incident -- <kind>`: plays one incident against a gateway of its own on this machine until its alert has come
 * to the e-mail topic and to a Slack webhook, shows both and keeps them (`--out <folder>`, .tollgate/demo). `all` plays one
 * after the other; `--list` names the kinds; `--synth-cache <folder>`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ALERT_KINDS, type AlertKind } from '../core/alerts/alert.ts';
import { perform } from './demo/perform.ts';
import { PLAYS } from './demo/plays.ts';
import { type Arrived, openStage } from './demo/stage.ts';

const REPEATED_SIGNAL_MS = 500;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean' },
    out: { type: 'string', default: '.tollgate/demo' },
    'synth-cache': { type: 'string', default: '.tollgate/synth' },
  },
});
const [wanted] = positionals;
const kinds = ALERT_KINDS.filter((kind) => wanted === 'all' || wanted === kind);
if (values.list === true) list();
else if (kinds.length === 0) {
  console.error('npm run demo:incident -- <kind>, where --list names the kinds; all plays each');
  process.exitCode = 2;
} else process.exitCode = await playEach(kinds, stopSignal());

function list(): void {
  for (const [name, play] of Object.entries(PLAYS)) {
    const seeded = 'history' in play ? ', history seeded' : '';
    console.log(`${name.padEnd(18)} by ${play.by}${seeded}`);
  }
}

/** Of Ctrl-C: stages close and remove their folders. A second one does not wait; npm passes the first one on a second time. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  let requestedAtMs = Number.POSITIVE_INFINITY;
  const onSignal = (): void => {
    if (Date.now() - requestedAtMs > REPEATED_SIGNAL_MS) process.exit(1);
    requestedAtMs = Math.min(requestedAtMs, Date.now());
    stopping.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  return stopping.signal;
}

/** A stage for each: so many alerts in five minutes would be a storm on one. Gives the exit code. */
async function playEach(kinds: readonly AlertKind[], signal: AbortSignal): Promise<number> {
  const failed: AlertKind[] = [];
  for (const kind of kinds) {
    try {
      await demonstrate(kind, signal);
    } catch (fault) {
      if (signal.aborted) return 130;
      console.error(`${kind}: ${String(fault)}`);
      failed.push(kind);
    }
  }
  if (kinds.length > 1)
    console.log(`\n${kinds.length - failed.length} of ${kinds.length} alerts arrived`);
  return failed.length === 0 ? 0 : 1;
}

async function demonstrate(kind: AlertKind, signal: AbortSignal): Promise<void> {
  const stage = await openStage({ synthCacheDir: values['synth-cache'], signal });
  try {
    const beganMs = Date.now();
    const arrived = await perform(stage, kind, signal);
    show(kind, arrived, Date.now() - beganMs);
  } finally {
    await stage.close();
  }
}

function show(kind: AlertKind, { mails, slack }: Arrived, afterMs: number): void {
  const [mail = ''] = mails;
  const [payload = ''] = slack;
  mkdirSync(values.out, { recursive: true });
  const keep = (name: string, text: string) => {
    const file = join(values.out, `${kind}.${name}`);
    writeFileSync(file, text);
    return file;
  };
  console.log(`\nthe alert of ${kind} arrived after ${Math.round(afterMs / 100) / 10} s`);
  console.log(`\ne-mail: ${keep('e-mail.txt', mail)}\n\n${mail}`);
  console.log(`\nSlack: ${keep('slack.json', payload)}\nSlack payload: ${payload}`);
}
