/**
 * `npm run race`: processes hammer one hard budget through the whole gateway over the real engine. Calls
 * are whole, streamed, dropped by their caller, broken by the provider or without usage; the provider's
 * own ledger is the truth. Prints what was overspent and what was refused without reason: both must be 0.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import * as z from 'zod';

const PROCESSES = 4;
const CALLS = 100;
const CONCURRENCY = 25;
const BUDGET_NANO_USD = 4_000_000_000;
const PRICE = { input: 10, output: 1_000 };
/** Upstream names of the simulated provider, by alias; the name says how it behaves. */
const MODELS = {
  whole: 'sim-small+tokens=20',
  streamed: 'sim-small+tokens=20+tps=100',
  dies: 'sim-small+tokens=30+tps=300+fault=reset-mid',
  fails: 'sim-small+fault=500',
  silent: 'sim-small+tokens=20+fault=no-usage',
};

const seenSchema = z.object({
  answered: z.number(),
  refused: z.number(),
  failed: z.number(),
  unjustified: z.array(z.string()),
});
type Seen = z.infer<typeof seenSchema>;

const [mode = '', baseUrl = '', key = ''] = process.argv.slice(2);

async function race(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-race-'));
  const gateway = await start(folder);
  try {
    const run = promisify(execFile);
    const workers = Array.from({ length: PROCESSES }, () =>
      run(process.execPath, [import.meta.filename, 'worker', gateway.baseUrl, gateway.demoKey], {
        timeout: 300_000,
      }),
    );
    const seen = (await Promise.all(workers)).map(({ stdout }) =>
      seenSchema.parse(JSON.parse(stdout)),
    );
    const team = await settled(gateway);
    const truth = await ledger(gateway);
    print(seen, { team, truth });
    if (team.nano_usd > BUDGET_NANO_USD || seen.some(({ unjustified }) => unjustified.length > 0))
      process.exitCode = 1;
  } finally {
    gateway.child.kill('SIGINT');
    await once(gateway.child, 'exit');
  }
}

function print(seen: readonly Seen[], { team, truth }: { team: Team; truth: number }): void {
  const sum = (of: 'answered' | 'refused' | 'failed') =>
    seen.reduce((total, each) => total + each[of], 0);
  const usd = (nano: number) => `$${(nano / 1e9).toFixed(6)}`;
  const rows = {
    'calls, at a time': `${PROCESSES * CALLS}, ${PROCESSES * CONCURRENCY}`,
    'answered, refused, failed': `${sum('answered')}, ${sum('refused')}, ${sum('failed')}`,
    budget: usd(BUDGET_NANO_USD),
    'settled in the account': usd(team.nano_usd),
    'spent by the ledger of the provider': usd(truth),
    'overspent (settled above the budget)': usd(Math.max(0, team.nano_usd - BUDGET_NANO_USD)),
    'refused with room left': String(seen.flatMap(({ unjustified }) => unjustified).length),
    'left of the budget': usd(BUDGET_NANO_USD - team.nano_usd),
    'a hold': usd(holdOf(new TextEncoder().encode(bodyOf(0)).length)),
  };
  for (const [name, value] of Object.entries(rows))
    process.stdout.write(`${name.padEnd(38)}${value}\n`);
}

/** The bound of one call: bytes of its body and sixteen more at the input price, forty tokens at the output price. */
function holdOf(bytes: number): number {
  return ((bytes + 16) * PRICE.input + 40 * PRICE.output) * 1000;
}

async function hammer(): Promise<Seen> {
  const seen: Seen = { answered: 0, refused: 0, failed: 0, unjustified: [] };
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < CALLS; index = next++)
      await callOnce(index, seen).catch(() => (seen.failed += 1));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  // What is left must be usable: the budget is called empty only when one more call does not fit.
  for (let tries = 0; tries < 60; tries += 1) {
    if ((await callOnce(0, seen)) === 'budget_exhausted') break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return seen;
}

const aliases = Object.keys(MODELS);

function bodyOf(index: number): string {
  const model = aliases[index % aliases.length];
  const stream = index % 2 === 1 || model === 'streamed';
  return JSON.stringify({
    model,
    stream,
    max_tokens: 40,
    messages: [{ role: 'user', content: 'Race me to the end of the budget.' }],
  });
}

const refusalSchema = z.object({
  error: z.object({
    code: z.string().nullable(),
    gateway: z.object({ limit: z.number(), used: z.number(), needed: z.number() }),
  }),
});

/** One call; every seventh is dropped after its first bytes. */
async function callOnce(index: number, seen: Seen): Promise<string | null | undefined> {
  const request = http.request(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    timeout: 60_000,
  });
  request.end(bodyOf(index));
  const [response]: http.IncomingMessage[] = await once(request, 'response');
  if (response === undefined) throw new Error('no response');
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (index % 7 === 3 && response.statusCode === 200) {
      request.destroy();
      break;
    }
  }
  if (response.statusCode === 200) seen.answered += 1;
  else if (response.statusCode !== 429) seen.failed += 1;
  else {
    seen.refused += 1;
    const refusal = refusalSchema.safeParse(JSON.parse(text));
    const facts = refusal.data?.error.gateway;
    if (facts === undefined || facts.used + facts.needed <= facts.limit)
      seen.unjustified.push(text);
    return refusal.data?.error.code;
  }
  return undefined;
}

const readySchema = z.object({ baseUrl: z.string(), demoKey: z.string(), providerUrl: z.string() });
type Gateway = z.infer<typeof readySchema> & { readonly child: ChildProcess };

async function start(folder: string): Promise<Gateway> {
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, policyText());
  const args = [
    'local/start.ts',
    '--json',
    '--port',
    '0',
    '--data',
    join(folder, 'data'),
    '--policy',
    policy,
    '--synth-cache',
    join(tmpdir(), 'tollgate-race-synth'),
  ];
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, OPENAI_API_KEY: '' },
  });
  const lines = createInterface({ input: child.stdout });
  try {
    const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(120_000) });
    return { ...readySchema.parse(JSON.parse(String(line))), child };
  } catch (error) {
    child.kill('SIGINT');
    throw error;
  }
}

function policyText(): string {
  const models = Object.entries(MODELS).map(
    ([alias, upstream]) =>
      `  ${alias}: { tier: shared, context_tokens: 128K, max_output_tokens: 1K, default_max_output_tokens: 40, routes: [{ provider: openai, model: ${upstream}, price: { input: $${PRICE.input}, output: "$${PRICE.output}" } }] }`,
  );
  return `time_zone: UTC
providers: { openai: { kind: openai, base_url: https://api.openai.com, secret: openai } }
models:
${models.join('\n')}
tenants:
  race:
    teams: { race: { owner: race@example.com, limits: { monthly_budget: "$${BUDGET_NANO_USD / 1e9}" } } }
    projects: { race: { team: race } }
`;
}

const teamSchema = z.object({ nano_usd: z.number(), requests: z.number() });
type Team = z.infer<typeof teamSchema>;
const usageSchema = z.object({
  scopes: z.array(
    z.object({ scope: z.string(), settled: teamSchema, held: z.object({ requests: z.number() }) }),
  ),
});

/** What the team has settled once nothing is held any more. */
async function settled(gateway: Gateway): Promise<Team> {
  const untilMs = Date.now() + 60_000;
  while (true) {
    const response = await fetch(`${gateway.baseUrl}/v1/usage`, {
      headers: { authorization: `Bearer ${gateway.demoKey}` },
    });
    const team = usageSchema
      .parse(await response.json())
      .scopes.find(({ scope }) => scope === 'team:race');
    if (team === undefined) throw new Error('the team has no account');
    if (team.held.requests === 0) return team.settled;
    if (Date.now() > untilMs) throw new Error(`${team.held.requests} calls are still held`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function ledger(gateway: Gateway): Promise<number> {
  const response = await fetch(`${gateway.providerUrl}/_simulated/ledger`);
  const { totals } = z
    .object({ totals: z.object({ promptTokens: z.number(), completionTokens: z.number() }) })
    .parse(await response.json());
  return (totals.promptTokens * PRICE.input + totals.completionTokens * PRICE.output) * 1000;
}

if (mode === 'worker') process.stdout.write(JSON.stringify(await hammer()));
else await race();
