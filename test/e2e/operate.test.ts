/**
 * Runs every command of docs/operate.md, in the page's order, against an instance whose policy is empty, and compares
 * what it prints with the page. `vitest run test/e2e/operate.test.ts --update` writes the page anew.
 */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from './instance.ts';

const PAGE = 'docs/operate.md';
/** A local instance wants something to make its demo key for; a tenant of its own keeps that off the page. */
const FIRST = `time_zone: UTC
providers: { openai: { kind: openai, base_url: https://api.openai.com, secret: openai } }
models: {}
tenants:
  first:
    teams: { first: { owner: first@example.com } }
    projects: { first: { team: first } }
`;
const EMPTY = 'time_zone: UTC\nproviders: {}\nmodels: {}\ntenants: {}\n';
const TIMEOUT_MS = 180_000;

describe('docs/operate.md', () => {
  let gateway: RunningGateway;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tollgate-operate-'));
    writeFileSync(join(folder, 'first.yaml'), FIRST);
    gateway = await startGateway({ policy: join(folder, 'first.yaml') });
    const keys = await gateway.admin('GET', '/keys');
    for (const [keyId] of JSON.stringify(keys.json).matchAll(/vk_[0-9a-f]{12}/g))
      await gateway.admin('DELETE', `/keys/${keyId}`);
    const { status } = await gateway.admin('PUT', '/policy', EMPTY);
    expect(status).toBe(200);
    copyFileSync('examples/policy.yaml', join(folder, 'policy.yaml'));
    writeFileSync(join(folder, 'root.key'), gateway.adminKey, { mode: 0o600 });
    const command = `#!/bin/sh\nexec '${process.execPath}' '${resolve('cli/tollgate.ts')}' "$@"\n`;
    writeFileSync(join(folder, 'tollgate'), command);
    chmodSync(join(folder, 'tollgate'), 0o755);
  }, TIMEOUT_MS);

  afterAll(() => gateway.stop());

  it(
    'shows what its commands print',
    async () => {
      const page = readFileSync(PAGE, 'utf8');
      const shown = disguise(Math.floor(Date.now() / 60_000) * 60_000, gateway.baseUrl);
      const parts = page.split(/(?<=```console\n)([\s\S]*?)(?=```)/);
      const written = [];
      for (const [index, part] of parts.entries())
        written.push(index % 2 === 0 ? part : await replay(part, shown));
      await expect(written.join('')).toMatchFileSnapshot(resolve(PAGE));
    },
    TIMEOUT_MS,
  );

  async function replay(block: string, shown: Disguise): Promise<string> {
    const commands = block.split('\n').filter((line) => line.startsWith('$ '));
    let text = '';
    for (const line of commands) {
      const printed = await run(shown.real(line.slice(2)));
      text += `${line}\n${shown.hide(printed)}`;
    }
    return text;
  }

  function run(command: string): Promise<string> {
    const env = {
      PATH: [folder, dirname(process.execPath), process.env['PATH']].join(delimiter),
      HOME: folder,
      TZ: 'UTC',
      TOLLGATE_URL: gateway.baseUrl,
    };
    return new Promise((done) => {
      execFile('bash', ['-c', `${command} 2>&1`], { cwd: folder, env }, (error, stdout) => {
        done(error === null ? stdout : `${stdout}(ended with ${error.code})\n`);
      });
    });
  }
});

interface Disguise {
  hide(printed: string): string;
  real(command: string): string;
}

/** What differs from run to run, and what nobody should see, under names that the page's commands can use. */
function disguise(startMs: number, baseUrl: string): Disguise {
  const known = new Map<string, string>();
  const hidden = (id: string) => {
    const [prefix = ''] = id.split('_');
    const count = [...known.keys()].filter((each) => each.startsWith(`${prefix}_`)).length + 1;
    const name =
      known.get(id) ?? `${prefix}_${String(count).padStart(id.length - prefix.length - 1, '0')}`;
    known.set(id, name);
    return name;
  };
  return {
    hide: (printed) =>
      printed
        .replaceAll(baseUrl, 'https://llm.example.com')
        .replace(/\b(vk|ovr|tga?)_[0-9A-Za-z]{12,}/g, hidden)
        .replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/g, (_, day: string, time: string) =>
          moved(Date.parse(`${day}T${time}Z`) - startMs),
        )
        .replace(
          /^\d{4}-\d\d; the next .*$/gm,
          '2026-11; the next month begins 2026-11-30 23:00 UTC.',
        )
        .replace(/--to \S+Z/g, '--to 2026-11-21T22:00:00.000Z')
        .replace(/\/\S*\/logins\.json/g, '~/.config/tollgate/logins.json'),
    real: (command) => [...known].reduce((text, [id, name]) => text.replaceAll(name, id), command),
  };
}

/** As if it had all been done at ten in the evening, within a quarter of an hour. */
function moved(sinceMs: number): string {
  const quarter = Math.floor(sinceMs / 900_000) * 900_000;
  const [day, time] = new Date(Date.UTC(2026, 10, 21, 22) + quarter).toISOString().split('T');
  return `${day} ${time?.slice(0, 5)} UTC`;
}
