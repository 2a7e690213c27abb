import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PLAYS } from '../../scripts/demo/plays.ts';

const run = promisify(execFile);
const CACHE = join(tmpdir(), 'tollgate-test-synth');

async function demo(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['scripts/demo-incident.ts', ...args]);
  return stdout;
}

describe('npm run demo:incident', () => {
  it.each([
    ['denial-storm', 'by 40 calls of team limited', 'refused by limits within five minutes'],
    ['budget-projection', 'by its event on the bus', 'by the end of the month'],
  ])(
    'plays %s until its alert is in the topic and at Slack',
    async (kind, how, text) => {
      const output = await demo(kind, '--synth-cache', CACHE);
      expect(output).toContain(`${kind}: ${how}`);
      const file = /^e-mail topic: (.+)$/m.exec(output)?.[1] ?? '';
      expect(existsSync(file), file).toBe(true);
      expect(output).toContain(`] ${kind} found: `);
      const payload = /^Slack payload: (.+)$/m.exec(output)?.[1] ?? '{}';
      expect(JSON.parse(payload)).toMatchObject({ text: expect.stringContaining(`${kind} found`) });
      expect(payload).toContain(text);
    },
    150_000,
  );

  it('names every kind', async () => {
    const output = await demo('--list');
    for (const kind of Object.keys(PLAYS)) expect(output).toMatch(new RegExp(`^${kind} `, 'm'));
  });

  it('says how to call it when the kind is unknown', async () => {
    await expect(demo('toothache')).rejects.toMatchObject({ code: 2 });
  });
});
