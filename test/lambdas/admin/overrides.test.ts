import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../../core/governance/principal.ts';
import { readScope } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { limitsAt } from '../../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { ROOT } from '../../support/control-plane.ts';
import { dynoxideBinary } from '../../support/dynoxide.ts';
import { type Governance, POLICY, startGovernance } from '../../support/governance.ts';

const USD = 1_000_000_000;
const HOUR = 3_600_000;
const binary = dynoxideBinary();
const ADMIN: Principal = { id: 'ada', name: 'Ada', role: 'tenant-admin', tenantId: 'acme' };
const LEAD: Principal = {
  id: 'lea',
  name: 'Lea',
  role: 'team-lead',
  tenantId: 'acme',
  teamId: 'search',
};
const SEARCH: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const SUPPORT: Scope = { kind: 'team', tenantId: 'acme', teamId: 'support' };
const answer = z.object({ override: z.object({ id: z.string(), state: z.string() }) });

describe.skipIf(binary === undefined)('an override', () => {
  let governance: Governance;
  beforeAll(async () => {
    governance = await startGovernance(binary ?? '');
  });
  afterAll(() => governance.stop());

  const ask = async (as: Principal, path: string, body: object) => {
    const { status, body: answered } = await governance.call({ as, method: 'POST', path, body });
    expect(status).toBe(201);
    return answer.parse(answered).override.id;
  };
  const decide = (as: Principal, id: string, action = 'approve') => {
    governance.advance(1);
    return governance.call({ as, method: 'POST', path: `/overrides/${id}/${action}`, body: {} });
  };
  const budgetOf = async (scope: Scope) => {
    const account = await readScope(governance.store, accountKey(scope));
    return account === undefined
      ? undefined
      : (limitsAt(account.plan, governance.clock.nowMs()).nanoUsdPerMonth ?? 0) / USD;
  };
  const spend = async (scope: Scope, usd: number) => {
    const { store, clock } = governance;
    const demand = { nanoUsd: usd * USD, inputTokens: 0, outputTokens: 0 };
    const accounts = createAccounts({ store, clock });
    const outcome = await accounts.reserve({
      requestId: `req_${String(Math.random()).slice(2).padEnd(22, '0')}`,
      alias: 'fast',
      demand,
      scopes: [{ scope, limits: {} }],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    if (outcome.kind === 'reserved') await accounts.settle(outcome, demand);
    else await outcome.undone;
    return outcome.kind;
  };
  const allocation = {
    kind: 'allocation',
    dimension: 'nanoUsdPerMonth',
    amount: '$40',
    reason: 'launch',
  };

  it('is asked for by one person, approved by another, and holds at the next call', async () => {
    expect(await spend(SEARCH, 100)).toBe('reserved');
    expect(await spend(SEARCH, 1)).toBe('refused');
    const id = await ask(LEAD, '/overrides', { ...allocation, scope: SEARCH });
    expect((await decide(LEAD, id)).status).toBe(403);
    expect(await spend(SEARCH, 1)).toBe('refused');
    expect(await decide(ADMIN, id)).toMatchObject({
      status: 200,
      body: { override: { state: 'effective', amountUsd: '40' }, policyVersion: 2 },
    });
    expect(await spend(SEARCH, 40)).toBe('reserved');
    expect(await spend(SEARCH, 1)).toBe('refused');
    expect((await decide(ROOT, id)).status).toBe(409);
  });

  it.each([
    ['a tenant admin', ADMIN],
    ['a platform admin', ROOT],
  ])('is not approved or rejected by %s who asked for it', async (_, asker) => {
    const before = await budgetOf(SEARCH);
    const id = await ask(asker, '/overrides', { ...allocation, scope: SEARCH });
    for (const verdict of ['approve', 'reject'])
      expect((await decide(asker, id, verdict)).status).toBe(403);
    expect(await budgetOf(SEARCH)).toBe(before);
  });

  it('stays when a policy is applied, and is not lowered by who knows an older one', async () => {
    expect(await budgetOf(SEARCH)).toBe(140);
    const current = await governance.writer.currentPolicy();
    await governance.writer.setUpAccount(
      SEARCH,
      { limits: { nanoUsdPerMonth: 100 * USD }, policyVersion: 1 },
      {
        nowMs: governance.clock.nowMs(),
        cameMs: governance.clock.nowMs(),
        second: 0,
        minute: 0,
        day: 20261123,
        month: 202611,
      },
    );
    expect(await budgetOf(SEARCH)).toBe(140);
    await governance.apply(POLICY);
    await governance.enforce();
    expect(await budgetOf(SEARCH)).toBe(140);
    expect((await governance.writer.currentPolicy())?.version).toBeGreaterThan(
      current?.version ?? 0,
    );
  });

  it('gives a budget anew, as much as was spent', async () => {
    const id = await ask(LEAD, '/budgets/reset', {
      scope: SEARCH,
      dimension: 'nanoUsdPerMonth',
      reason: 'a runaway job',
    });
    expect(await decide(ADMIN, id)).toMatchObject({
      body: { override: { kind: 'reset', amountUsd: '140' } },
    });
    expect(await budgetOf(SEARCH)).toBe(280);
    expect(await spend(SEARCH, 140)).toBe('reserved');
    expect(await spend(SEARCH, 1)).toBe('refused');
  });

  it('moves what a team has left, and nothing that it has spent', async () => {
    const transfer = (amount: string) => ({
      scope: SUPPORT,
      to: SEARCH,
      dimension: 'nanoUsdPerMonth',
      amount,
      reason: 'support has too much',
    });
    expect(await spend(SUPPORT, 70)).toBe('reserved');
    const tooMuch = await ask(ADMIN, '/budgets/transfer', transfer('$40'));
    expect(await decide(ROOT, tooMuch)).toMatchObject({
      status: 409,
      body: { error: { code: 'not_enough_left' } },
    });
    expect([await budgetOf(SUPPORT), await budgetOf(SEARCH)]).toEqual([100, 280]);
    const id = await ask(ADMIN, '/budgets/transfer', transfer('$30'));
    expect(await decide(ROOT, id)).toMatchObject({ status: 200 });
    expect([await budgetOf(SUPPORT), await budgetOf(SEARCH)]).toEqual([70, 310]);
    expect(await spend(SUPPORT, 1)).toBe('refused');
    expect(await spend(SEARCH, 30)).toBe('reserved');
  });

  it('of a tenant is for the platform to approve', async () => {
    const tenant = { kind: 'tenant', tenantId: 'acme' };
    const id = await ask(ADMIN, '/overrides', { ...allocation, scope: tenant });
    const other = { ...ADMIN, id: 'adam' };
    expect((await decide(other, id)).status).toBe(403);
    expect((await decide(ROOT, id)).status).toBe(200);
  });

  it('ends by the clock, and nobody decides a request that has expired', async () => {
    const untilMs = governance.clock.nowMs() + HOUR;
    const raise = { ...allocation, kind: 'raise', scope: SUPPORT, untilMs };
    const first = await ask(ADMIN, '/overrides', raise);
    const late = await ask(ADMIN, '/overrides', { ...raise, expiresInSeconds: 60 });
    expect((await decide(ROOT, first)).status).toBe(200);
    expect(await budgetOf(SUPPORT)).toBe(110);
    governance.advance(HOUR);
    expect(await budgetOf(SUPPORT)).toBe(70);
    expect((await decide(ROOT, late)).body).toMatchObject({ error: { code: 'not_decidable' } });
    governance.advance(8 * 24 * HOUR);
    expect([await budgetOf(SUPPORT), await budgetOf(SEARCH)]).toEqual([100, 100]);
  });

  it('is refused where there is nothing to raise, and withdrawn by who asked only', async () => {
    const call = (body: object) =>
      governance.call({ as: ADMIN, method: 'POST', path: '/overrides', body });
    const team = { ...allocation, scope: SUPPORT };
    expect((await call({ ...team, dimension: 'tokensPerMonth', amount: '1M' })).status).toBe(400);
    expect((await call({ ...team, amount: '-5' })).status).toBe(400);
    expect((await call({ ...team, amount: '0.0000000001' })).status).toBe(400);
    expect((await call({ ...team, kind: 'raise' })).status).toBe(400);
    expect((await call({ ...team, extra: true })).status).toBe(400);
    const id = await ask(ADMIN, '/overrides', team);
    expect((await decide(ROOT, id, 'withdraw')).status).toBe(403);
    expect((await decide(ADMIN, id, 'withdraw')).body).toMatchObject({
      override: { state: 'withdrawn' },
    });
  });

  it('cannot be approved by somebody whose key the other person has issued, replaced or not', async () => {
    const make = (id: string) =>
      governance.call({
        as: ADMIN,
        method: 'POST',
        path: '/principals',
        body: { id, name: id, role: 'tenant-admin', tenantId: 'acme' },
      });
    expect((await make('puppet')).status).toBe(201);
    const puppet = { ...ADMIN, id: 'puppet' };
    const id = await ask(ADMIN, '/overrides', { ...allocation, scope: SUPPORT });
    expect((await decide(puppet, id)).status).toBe(403);
    const own = await ask(puppet, '/overrides', { ...allocation, scope: SUPPORT });
    expect((await decide(ADMIN, own)).status).toBe(403);
    const rotate = { as: puppet, method: 'POST', path: '/whoami/rotate', body: {} };
    expect((await governance.call(rotate)).status).toBe(200);
    // Who has issued the first key can have replaced it as well.
    expect((await decide(puppet, id)).status).toBe(403);
    expect((await decide({ ...ADMIN, id: 'adam' }, id)).status).toBe(200);
  });

  it('is in the audit log with each step, who took it, and what was before', async () => {
    const records = await governance.records();
    const id = records.find(({ operation }) => operation === 'requestBudgetReset')?.object ?? '';
    const steps = records.filter(({ object }) => object === id).toReversed();
    expect(steps.map(({ operation, principal_id: who }) => `${operation} ${who}`)).toEqual([
      'requestBudgetReset lea',
      'approveOverride ada',
    ]);
    expect(steps[1]).toMatchObject({
      tenant_id: 'acme',
      team_id: 'search',
      source_ip: '192.0.2.1',
    });
    expect(JSON.parse(steps[1]?.before ?? '')).toMatchObject({ state: 'requested' });
    expect(JSON.parse(steps[1]?.after ?? '')).toMatchObject({ state: 'effective' });
    expect(governance.objects.contents.size).toBe(records.length);
  });
});
