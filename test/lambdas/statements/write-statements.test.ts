import { parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatementMessage } from '../../../core/chargeback/statement-message.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import {
  type StatementPorts,
  writeMonth,
  writeReferenceTables,
  writeWeek,
} from '../../../lambdas/statements/write-statements.ts';
import { type LocalObjects, openLocalObjects } from '../../support/local-objects.ts';
import { bookCompany } from '../../support/spend-company.ts';
import { createSpendLake, type SpendLake } from '../../support/spend-lake.ts';

const POLICY = `
time_zone: Europe/Berlin
providers:
  openai: { kind: openai, base_url: "https://api.openai.com", price_book: openai }
models:
  small:
    tier: shared
    context_tokens: 400K
    max_output_tokens: 128K
    default_max_output_tokens: 2K
    routes: [{ provider: openai, model: gpt-5-mini, price: { input: $0.25, cached_input: $0.025, output: $2.00 } }]
  lab:
    tier: shared
    context_tokens: 400K
    max_output_tokens: 128K
    default_max_output_tokens: 2K
    routes: [{ provider: openai, model: lab, free: true }]
tenants:
  acme:
    limits: { monthly_budget: $10 }
    teams:
      search: { owner: search-lead@example.com, cost_center: CC-1, limits: { monthly_budget: $4 } }
    projects:
      web: { team: search, limits: { monthly_budget: $2 } }
      plain: { team: search }
`;

const deadlineMs = Number.POSITIVE_INFINITY;
let lake: SpendLake;
let objects: LocalObjects;
let sent: StatementMessage[];
let closedThrough: string | undefined;
let nowMs: number;

function ports(): StatementPorts {
  const parsed = parsePolicy(POLICY, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed));
  const { snapshot } = compilePolicy(parsed.policy, 7, nowMs);
  return {
    athena: { run: async (sql) => (await lake.run(sql)).rows },
    objects,
    closedMonths: { through: async () => closedThrough },
    policy: async () => snapshot,
    send: async (message) => void sent.push(message),
    clock: { nowMs: () => nowMs },
  };
}

beforeEach(async () => {
  lake = await createSpendLake('2026-12-03');
  await bookCompany(lake);
  objects = await openLocalObjects();
  sent = [];
  closedThrough = undefined;
  nowMs = Date.parse('2026-12-03T06:00:00Z');
});
afterEach(async () => {
  await Promise.all([lake.close(), objects.close()]);
});

describe('the statement of a month', () => {
  const V1 = 'statements/month=2026-11/v1/';

  it('charges last month in a file for people, one for programs and a page', async () => {
    expect(await writeMonth(ports(), { deadlineMs })).toEqual({ version: 1, isNew: true });
    expect(objects.text(`${V1}chargeback.csv`).split('\r\n')).toEqual([
      'booked_period,usage_period,tenant_id,cost_center,team_id,project_id,provider,model,requests,input_tokens,output_tokens,cost_nano_usd,discount_nano_usd,margin_nano_usd,charged_nano_usd,charged_usd',
      '2026-11,2026-11,acme,CC-1,search,evaluation,openai,gpt-5,1,1000000,100000,2250000000,450000000,180000000,1980000000,1.980000000',
      '2026-11,2026-11,acme,CC-1,search,web,openai,gpt-5-mini,2,3000000,100000,725000000,0,0,725000000,0.725000000',
      '2026-11,2026-10,acme,CC-1,search,web,openai,gpt-5-mini,1,200000,0,50000000,0,0,50000000,0.050000000',
      '2026-11,2026-11,acme,CC-2,support,bot,anthropic,claude-sonnet-5,1,1200000,10000,1425000000,0,0,1425000000,1.425000000',
      '2026-11,2026-10,acme,,,,openai,,0,0,0,-20000000,0,0,-20000000,-0.020000000',
      '2026-11,2026-11,globex,,lab,lab,openai,gpt-5-mini,4,1000000,75000,400000000,0,0,400000000,0.400000000',
      '',
    ]);
    const file = objects.bytes(`${V1}chargeback.parquet`).buffer;
    const rows = await parquetReadObjects({ file });
    expect(rows).toHaveLength(6);
    expect(rows[0]).toMatchObject({ team_id: 'search', charged_nano_usd: 1_980_000_000n });
    expect(objects.text(`${V1}chargeback.html`)).toContain('$4.56');
  });

  it('tells people what was charged and where the files are', async () => {
    await writeMonth(ports(), { period: '2026-11', deadlineMs });
    expect(sent).toEqual([
      {
        subject: 'Chargeback for 2026-11, version 1',
        audience: 'month',
        text: [
          'Chargeback for 2026-11, version 1: $4.56 charged, $4.83 paid to providers, 9 requests.',
          'The month is not closed yet: these figures may change.',
          '',
          'acme / CC-1: $2.76',
          'acme / CC-2: $1.43',
          'globex / no cost center: $0.40',
          'acme / no cost center: -$0.02',
          '',
          `Files: s3://lake/${V1}`,
          'To open them: https://us-east-1.console.aws.amazon.com/s3/buckets/lake?region=us-east-1&prefix=statements%2Fmonth%3D2026-11%2Fv1%2F',
        ].join('\n'),
      },
    ]);
  });

  it('publishes the same figures once, and corrected ones as a version of their own beside the first', async () => {
    await writeMonth(ports(), { period: '2026-11', deadlineMs });
    const first = objects.text(`${V1}chargeback.csv`);
    expect(await writeMonth(ports(), { period: '2026-11', deadlineMs })).toEqual({
      version: 1,
      isNew: false,
    });
    await lake.book([{ entry_id: 'late', event_time_ms: Date.parse('2026-11-30T12:00:00Z') }]);
    expect(await writeMonth(ports(), { period: '2026-11', deadlineMs })).toEqual({
      version: 2,
      isNew: true,
    });
    expect(objects.text(`${V1}chargeback.csv`)).toBe(first);
    expect(sent.map(({ subject }) => subject)).toEqual([
      'Chargeback for 2026-11, version 1',
      'Chargeback for 2026-11, version 2',
    ]);
  });

  it('is final when the month is closed, which is a version of its own', async () => {
    await writeMonth(ports(), { period: '2026-11', deadlineMs });
    closedThrough = '2026-11';
    expect(await writeMonth(ports(), { period: '2026-11', deadlineMs })).toMatchObject({
      version: 2,
    });
    expect(sent[1]?.text).toContain('The month is closed: these figures are final.');
  });

  it('finishes a version that a run left half-way, and tells it again rather than never', async () => {
    const broken = {
      ...ports(),
      send: () => Promise.reject(new Error('the topic is out of reach')),
    };
    await expect(writeMonth(broken, { period: '2026-11', deadlineMs })).rejects.toThrow('topic');
    expect(await writeMonth(ports(), { period: '2026-11', deadlineMs })).toEqual({
      version: 1,
      isNew: true,
    });
    expect(sent).toHaveLength(1);
  });

  it('names the month that ended in the time zone of the policy', async () => {
    nowMs = Date.parse('2026-12-31T23:30:00Z'); // January in Berlin
    await writeMonth(ports(), { deadlineMs });
    expect(sent[0]?.subject).toContain('2026-12');
  });

  it('runs nothing in a page or a spreadsheet that a caller has put into a tag', async () => {
    await lake.book([
      {
        entry_id: 'hostile',
        cost_center: '=HYPERLINK("https://example.com","x")',
        project_id: '<script>alert(1)</script>',
      },
    ]);
    await writeMonth(ports(), { period: '2026-11', deadlineMs });
    expect(objects.text(`${V1}chargeback.csv`)).toContain(
      `"'=HYPERLINK(""https://example.com"",""x"")"`,
    );
    expect(objects.text(`${V1}chargeback.html`)).not.toContain('<script');
  });
});

describe('the summaries of a week', () => {
  const W47 = 'statements/week=2026-W47/tenant=acme/team=search/v1/';

  it('are one for each team that spent something, sent to its own subscribers', async () => {
    const atMs = Date.parse('2026-11-23T06:00:00Z');
    expect(await writeWeek(ports(), { atMs, deadlineMs })).toEqual({ teams: 3, published: 3 });
    expect(sent.map(({ audience }) => audience)).toEqual([
      'acme/search',
      'acme/support',
      'globex/lab',
    ]);
    expect(sent[0]).toEqual({
      subject: 'Team search: week 2026-W47, version 1',
      audience: 'acme/search',
      text: [
        'Team search of acme, week 2026-W47 (2026-11-16 to 2026-11-22), version 1: $0.45 spent, 80 % less than $2.26 in the week before; requests: 1.',
        "$3.03 of this month's $4.00 are spent (75 %), at the providers' prices.",
        'Owner: search-lead@example.com.',
        '',
        'answers: $0.45',
        '',
        `Files: s3://lake/${W47}`,
        'To open them: https://us-east-1.console.aws.amazon.com/s3/buckets/lake?region=us-east-1&prefix=statements%2Fweek%3D2026-W47%2Ftenant%3Dacme%2Fteam%3Dsearch%2Fv1%2F',
      ].join('\n'),
    });
    expect(objects.text(`${W47}summary.csv`)).toContain(
      '2026-11-20,answers,small,1,450000000,0.450000000',
    );
    expect(objects.text(`${W47}summary.html`)).toContain('search: week 2026-W47');
  });

  it('come once a week and team, and again as the next version when a call arrives late', async () => {
    const week = { atMs: Date.parse('2026-11-23T06:00:00Z'), deadlineMs };
    await writeWeek(ports(), week);
    expect(await writeWeek(ports(), week)).toEqual({ teams: 3, published: 0 });
    await lake.book([{ entry_id: 'late', event_time_ms: Date.parse('2026-11-21T12:00:00Z') }]);
    expect(await writeWeek(ports(), week)).toEqual({ teams: 3, published: 1 });
    expect(sent.at(-1)?.subject).toBe('Team search: week 2026-W47, version 2');
  });
});

describe('the reference tables', () => {
  it('say what the policy in force says, with empty ids where a scope has none', async () => {
    await writeReferenceTables(ports());
    const read = (table: string) =>
      parquetReadObjects({ file: objects.bytes(`reference/${table}/current.parquet`).buffer });
    const budgets = await read('budgets');
    expect(budgets).toMatchObject([
      { scope: 'tenant', tenant_id: 'acme', team_id: '', monthly_budget_nano_usd: 10_000_000_000n },
      {
        scope: 'team',
        team_id: 'search',
        owner: 'search-lead@example.com',
        cost_center: 'CC-1',
        monthly_budget_nano_usd: 4_000_000_000n,
        policy_version: 7n,
      },
      { scope: 'project', project_id: 'web', monthly_budget_nano_usd: 2_000_000_000n },
      { scope: 'project', project_id: 'plain', monthly_budget_nano_usd: null },
    ]);
    // A free route has no price to compare with.
    expect(await read('prices')).toMatchObject([
      {
        alias: 'small',
        tier: 'shared',
        model: 'gpt-5-mini',
        is_first_route: true,
        input_micro_usd: 250_000n,
        cached_input_micro_usd: 25_000n,
        cache_write_5m_micro_usd: null,
        output_micro_usd: 2_000_000n,
      },
    ]);
  });
});
