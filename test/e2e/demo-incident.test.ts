import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALERT_KINDS, type AlertKind } from '../../core/alerts/alert.ts';
import { eventually } from './instance.ts';

const run = promisify(execFile);
/** As the script's own default, from where it runs. */
const CACHE = relative('.', join(tmpdir(), 'tollgate-test-synth'));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-demo-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const command = (args: readonly string[]) =>
  [
    'scripts/demo-incident.ts',
    ...args,
    '--synth-cache',
    CACHE,
    '--out',
    join(folder, 'out'),
  ] as const;

async function demo(...args: string[]): Promise<string> {
  const env = { ...process.env, TMPDIR: folder };
  const { stdout } = await run(process.execPath, command(args), { env });
  return stdout;
}

function leftovers(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('tollgate-'));
}

describe('npm run demo:incident', () => {
  it.each<[AlertKind, string, string]>([
    ['denial-storm', 'by 40 calls of team limited', 'refused by limits within five minutes'],
    ['books-differ', 'by its event on the bus', 'ledger lacks calls that the accounts have'],
  ])(
    'plays %s until its alert is in the topic and at Slack, keeps both and leaves nothing else',
    async (kind, how, text) => {
      const output = await demo(kind);
      expect(output).toContain(`${kind}: ${how}`);
      const kept = (name: string) => readFileSync(join(folder, 'out', `${kind}.${name}`), 'utf8');
      expect(kept('e-mail.txt')).toContain(`] ${kind} found: `);
      expect(output).toContain(kept('e-mail.txt'));
      const payload = kept('slack.json');
      expect(JSON.parse(payload)).toMatchObject({ text: expect.stringContaining(`${kind} found`) });
      expect(payload).toContain(text);
      expect(output).toContain(`Slack payload: ${payload}`);
      expect(leftovers()).toEqual([]);
    },
    150_000,
  );

  it.each([
    ['while it starts', () => leftovers().length > 0],
    ['while it waits for the alert', (output: string) => output.includes('by 40 calls')],
  ])(
    'leaves nothing after Ctrl-C %s',
    async (_, isTime) => {
      const child = spawn(process.execPath, command(['error-rate']), {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: folder },
      });
      const exited = once(child, 'exit');
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += String(chunk);
      });
      await eventually(() => expect(isTime(output)).toBe(true), 60_000);
      child.kill('SIGINT');
      expect(await exited).toEqual([130, null]);
      expect(leftovers()).toEqual([]);
    },
    90_000,
  );

  it('names every kind', async () => {
    const output = await demo('--list');
    for (const kind of ALERT_KINDS) expect(output).toMatch(new RegExp(`^${kind} `, 'm'));
  });

  it('says how to call it when the kind is unknown', async () => {
    await expect(demo('toothache')).rejects.toMatchObject({ code: 2 });
  });
});
