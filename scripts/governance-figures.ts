/**
 * `node scripts/governance-figures.ts`: what the control plane costs on this machine with 1,000 teams and 10,000
 * declared keys. Starts an instance of its own, applies, lists, changes and revokes through the API, and prints a table.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { newVirtualKey } from '../core/tenancy/virtual-key.ts';

const TENANTS = 20;
const TEAMS_EACH = 50;
const KEYS_EACH = 10;
const LOOKS = 50;
/** Twice what is promised. */
const LONGEST_MS = 60_000;

const readySchema = z.looseObject({ baseUrl: z.string(), adminKey: z.string(), pid: z.number() });

interface Gateway extends z.infer<typeof readySchema> {
  readonly child: ChildProcess;
}

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly body: string;
}

const demo = newVirtualKey();
const gateway = await start();
try {
  console.table(await figures(gateway));
} finally {
  if (gateway.child.exitCode === null) {
    gateway.child.kill('SIGINT');
    await once(gateway.child, 'exit');
  }
}

async function figures(to: Gateway): Promise<Record<string, string>> {
  const policy = largePolicy(readFileSync('examples/policy.yaml', 'utf8'));
  const plan = await ask(to, 'POST', '/policy/plan', policy);
  const applied = await applyWhole(to, policy);
  const again = await applyWhole(to, policy);
  const list = await look(to, '/tenants/big0/teams?limit=100');
  const keys = await look(to, '/tenants/big0/declared-keys?limit=500');
  const show = await look(to, '/tenants/big7/teams/team-7');
  const change = await ask(to, 'PATCH', '/tenants/big7/teams/team-7', '{"owner":"x"}');
  return {
    'size of the policy': `${(Buffer.byteLength(policy) / 1e6).toFixed(1)} MB`,
    plan: told(plan),
    'apply, accounts and keys written': applied,
    'apply once more, nothing differs': again,
    [`list of ${TEAMS_EACH} teams`]: list,
    [`list of ${TEAMS_EACH * KEYS_EACH} declared keys`]: keys,
    'show a team': show,
    'change of one team': told(change),
    'a change holds for callers after': await untilEffective(to),
    'a revoked key is refused at its request': await untilRevoked(to),
  };
}

/** The example's providers and models, and tenants with teams, projects and keys in great number. */
function largePolicy(example: string): string {
  const tenants = Array.from({ length: TENANTS }, (_, tenant) => {
    const teams = Array.from({ length: TEAMS_EACH }, (_each, team) => team);
    return [
      `  big${tenant}:`,
      '    teams:',
      ...teams.map(
        (team) =>
          `      team-${team}: { owner: lead-${team}@example.com, models: [gpt-5-mini], limits: { requests_per_minute: 600, monthly_budget: $1000 } }`,
      ),
      '    projects:',
      ...teams.map((team) => `      project-${team}: { team: team-${team} }`),
      '    keys:',
      ...teams.flatMap((team) =>
        Array.from({ length: KEYS_EACH }, (_each, key) => {
          const isDemo = tenant === 0 && team === 0 && key === 0;
          const secret = isDemo ? sha256(demo) : sha256(`${tenant}/${team}/${key}`);
          return `      key-${team}-${key}: { project: project-${team}, owner: lead-${team}@example.com, secret: "sha256:${secret}" }`;
        }),
      ),
    ].join('\n');
  });
  return `${example}\n${tenants.join('\n')}\n`;
}

/** An apply whose rollout outlives its request is gone on with until it is done. */
async function applyWhole(to: Gateway, policy: string): Promise<string> {
  const begin = performance.now();
  let answer = await ask(to, 'PUT', '/policy', policy);
  let calls = 1;
  for (; answer.status === 202; calls += 1) answer = await ask(to, 'POST', '/policy/rollout');
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const { rollout } = z
    .object({ rollout: z.object({ done: z.number(), total: z.number() }) })
    .parse(JSON.parse(answer.body));
  return `${seconds} s, ${rollout.done} of ${rollout.total} steps, ${calls} calls`;
}

async function look(to: Gateway, path: string): Promise<string> {
  const times: number[] = [];
  for (let call = 0; call < LOOKS; call += 1) {
    const { ms, status } = await ask(to, 'GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status}`);
    times.push(ms);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => `${(sorted[Math.floor(share * LOOKS)] ?? 0).toFixed(0)} ms`;
  return `median ${at(0.5)}, 98th percentile ${at(0.98)}`;
}

/** Seen from a caller: a model that its team loses is gone from its list. */
async function untilEffective(to: Gateway): Promise<string> {
  const list = async () => {
    const response = await fetch(`${to.baseUrl}/v1/models`, {
      headers: { authorization: `Bearer ${demo}` },
    });
    return response.text();
  };
  // Several environments answer, and each has a policy of its own age.
  const models = async () => (await Promise.all(Array.from({ length: 8 }, list))).join();
  // Another model may name it as its replacement, so it is looked for as one of the list.
  const hasModel = async () => (await models()).includes('"id":"gpt-5-mini"');
  if (!(await hasModel())) throw new Error('the key has no model to lose');
  await ask(to, 'PATCH', '/tenants/big0/teams/team-0', '{"models":["gpt-5-nano"]}');
  const begin = performance.now();
  while (await hasModel()) {
    if (performance.now() - begin > LONGEST_MS) throw new Error('the change never took effect');
    await sleep(100);
  }
  return `${((performance.now() - begin) / 1000).toFixed(1)} s`;
}

async function untilRevoked(to: Gateway): Promise<string> {
  const call = () =>
    fetch(`${to.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${demo}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'Hi' }] }),
    });
  const before = (await call()).status;
  await ask(to, 'DELETE', `/keys/vk_${sha256(demo).slice(0, 12)}`);
  return `${before} before, ${(await call()).status} after`;
}

async function ask(to: Gateway, method: string, path: string, body?: string): Promise<Answer> {
  const begin = performance.now();
  const response = await fetch(`${to.baseUrl}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${to.adminKey}` },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
  return { status: response.status, ms: performance.now() - begin, body: text };
}

function told({ ms }: Answer): string {
  return `${ms.toFixed(0)} ms`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function start(): Promise<Gateway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-governance-'));
  const child = spawn(
    process.execPath,
    ['local/start.ts', '--json', '--port', '0', '--data', dataDir],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, OPENAI_API_KEY: '' } },
  );
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { ...readySchema.parse(JSON.parse(String(line))), child };
}
