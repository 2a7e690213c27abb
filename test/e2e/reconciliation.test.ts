import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

const run = promisify(execFile);
const PROCESSES = 4;
const CALLS = 250;

let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const count = z.number();
const ledgerSchema = z.object({
  totals: z.looseObject({
    calls: count,
    promptTokens: count,
    cachedTokens: count,
    completionTokens: count,
  }),
});
const seenSchema = z.object({
  ok: count,
  left: count,
  refused: count,
  failed: z.array(z.string()),
});
const usageSchema = z.looseObject({
  scopes: z.array(
    z.looseObject({
      scope: z.string(),
      settled: z.looseObject({
        nano_usd: count,
        requests: count,
        input_tokens: count,
        output_tokens: count,
      }),
      held: z.looseObject({ requests: count }),
    }),
  ),
});
const rowSchema = z.object({
  requests: z.string(),
  input_tokens: z.string(),
  cached_input_tokens: z.string(),
  output_tokens: z.string(),
  cost_nano_usd: z.string(),
  team_id: z.string(),
});

it('agrees to the token with the provider and to the nano-dollar with the accounts after 1,000 mixed calls', async () => {
  const { key } = await gateway.keyOf('counted');
  const runs = await Promise.all(
    Array.from({ length: PROCESSES }, (_, seed) =>
      run(
        process.execPath,
        ['test/e2e/mixed-calls.ts', `${gateway.baseUrl}/v1`, key, String(CALLS), String(seed)],
        { timeout: 240_000 },
      ),
    ),
  );
  const seen = runs.map(({ stdout }) => seenSchema.parse(JSON.parse(stdout)));
  expect(seen.flatMap(({ failed }) => failed)).toEqual([]);
  const total = (of: 'ok' | 'left' | 'refused') => seen.reduce((sum, each) => sum + each[of], 0);
  expect(total('ok') + total('left') + total('refused')).toBe(PROCESSES * CALLS);

  const team = await eventually(async () => {
    const { scopes } = usageSchema.parse(await gateway.get('/v1/usage', key));
    expect(scopes.map(({ held }) => held.requests)).toEqual([0, 0]);
    return scopes.find(({ scope }) => scope === 'team:counted')?.settled;
  }, 60_000);
  const response = await fetch(`${gateway.providerUrl}/_simulated/ledger`);
  const { totals: provider } = ledgerSchema.parse(await response.json());
  const lake = await eventually(async () => {
    const { stdout } = await run(process.execPath, [
      'local/athena-cli.ts',
      'spend-by-team',
      '--json',
      '--data',
      gateway.dataDir,
    ]);
    const rows = z.array(rowSchema).parse(JSON.parse(stdout));
    const row = rows.find(({ team_id }) => team_id === 'counted');
    expect(Number(row?.cost_nano_usd)).toBe(team?.nano_usd);
    return row;
  }, 60_000);

  expect(team?.requests).toBe(total('ok') + total('left'));
  expect(Number(lake?.input_tokens) + Number(lake?.cached_input_tokens)).toBe(
    provider.promptTokens,
  );
  expect(Number(lake?.cached_input_tokens)).toBe(provider.cachedTokens);
  expect(Number(lake?.output_tokens)).toBe(provider.completionTokens);
  expect([team?.input_tokens, team?.output_tokens]).toEqual([
    provider.promptTokens,
    provider.completionTokens,
  ]);
}, 300_000);
