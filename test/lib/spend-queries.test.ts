import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readViews } from '../../lib/constructs/usage-views.ts';
import { bookCompany, TODAY } from '../support/spend-company.ts';
import { createSpendLake, type SpendLake } from '../support/spend-lake.ts';

let lake: SpendLake;
beforeAll(async () => {
  lake = await createSpendLake(TODAY);
  await bookCompany(lake);
});
afterAll(() => lake.close());

/** One line a row, its values apart by spaces, null as a dash. */
async function answer(name: string, columns: string): Promise<string[]> {
  const rows = await lake.ask(name);
  return rows.map((row) => {
    const unknown = columns.split(' ').find((column) => !(column in row));
    if (unknown !== undefined) throw new Error(`${name} has no column ${unknown}`);
    return columns
      .split(' ')
      .map((column) => row[column] ?? '-')
      .join(' ');
  });
}

describe('views', () => {
  it.each(readViews())('$name gives the columns that its Glue table declares', async (view) => {
    const { columns } = await lake.run(`select * from ${view.name} where booked_period = ''`);
    const given = columns.map(({ name, type, precision, scale }) => ({
      name,
      type: type === 'decimal' ? `decimal(${precision},${scale})` : type,
    }));
    expect(given).toEqual(view.columns);
  });
});

const money = 'requests cost_usd charged_usd';

describe('spend', () => {
  it('by tenant: late bookings and adjustments stand in the month that they are booked in', async () => {
    expect(await answer('spend-by-tenant', `booked_period tenant_id ${money}`)).toEqual([
      // 0.45 + 0.275 + 2.25 + 1.425 + 0.05 - 0.02; charged 0.27 less by the discount and the margin of one call.
      '2026-11 acme 5 4.430000000 4.160000000',
      '2026-11 globex 4 0.400000000 0.400000000',
      '2026-10 acme 1 1.000000000 1.000000000',
    ]);
  });

  it('by team, without denials, and a corrected call once', async () => {
    const columns =
      'booked_period tenant_id team_id input_tokens cached_input_tokens output_tokens';
    expect(await answer('spend-by-team', `${columns} ${money} cost_nano_usd`)).toEqual([
      '2026-11 acme search 3200000 1000000 200000 4 3.025000000 2.755000000 3025000000',
      '2026-11 acme support 0 1000000 10000 1 1.425000000 1.425000000 1425000000',
      '2026-11 globex lab 1000000 0 75000 4 0.400000000 0.400000000 400000000',
      '2026-11 acme - 0 0 0 0 -0.020000000 -0.020000000 -20000000',
      '2026-10 acme search 4000000 0 0 1 1.000000000 1.000000000 1000000000',
    ]);
  });

  it.each([
    [
      'spend-by-project',
      'project_id',
      ['evaluation 1 2.250000000', 'bot 1 1.425000000', 'web 3 0.775000000', 'lab 4 0.400000000'],
      'web 1 1.000000000',
    ],
    [
      'spend-by-cost-center',
      'cost_center',
      ['CC-1 4 3.025000000', 'CC-2 1 1.425000000', '- 4 0.400000000'],
      'CC-1 1 1.000000000',
    ],
    [
      'spend-by-feature',
      'feature',
      [
        'evaluation 1 2.250000000',
        'replies 1 1.425000000',
        'answers 3 0.775000000',
        '- 4 0.400000000',
      ],
      'answers 1 1.000000000',
    ],
    [
      'spend-by-user',
      'user_id',
      ['ann 2 2.700000000', 'cleo 1 1.425000000', '- 4 0.400000000', 'ben 2 0.325000000'],
      'ann 1 1.000000000',
    ],
    [
      'spend-by-model',
      'model',
      ['gpt-5 1 2.250000000', 'claude-sonnet-5 1 1.425000000', 'gpt-5-mini 7 1.175000000'],
      'gpt-5-mini 1 1.000000000',
    ],
  ])(
    '%s: dearest first, the adjustment without one, last month after this',
    async (name, column, november, october) => {
      expect(await answer(name, `booked_period ${column} requests cost_usd`)).toEqual([
        ...november.map((line) => `2026-11 ${line}`),
        '2026-11 - 0 -0.020000000',
        `2026-10 ${october}`,
      ]);
    },
  );

  it('by customer, with what no customer caused', async () => {
    expect(
      await answer('spend-by-customer', 'booked_period tenant_id customer_id cost_usd'),
    ).toEqual([
      '2026-11 acme - 2.280000000', // 2.25 + 0.05 - 0.02
      '2026-11 acme c-2 1.425000000',
      '2026-11 acme c-1 0.725000000',
      '2026-11 globex - 0.400000000',
      '2026-10 acme - 1.000000000',
    ]);
  });

  it('by day of the call, whenever it is booked', async () => {
    expect(await answer('spend-by-day', `usage_day ${money}`)).toEqual([
      '2026-11-20 1 0.450000000 0.450000000',
      '2026-11-19 1 1.425000000 1.425000000',
      '2026-11-16 2 0.100000000 0.100000000',
      '2026-11-15 1 0.000000000 0.000000000',
      '2026-11-14 1 0.300000000 0.300000000',
      '2026-11-12 1 2.250000000 1.980000000',
      '2026-11-10 1 0.275000000 0.275000000',
      '2026-10-31 1 0.030000000 0.030000000', // the late call and the adjustment
    ]);
  });
});

describe('budgets and statements', () => {
  it('tells what is left of each budget and where the month ends at its pace', async () => {
    const columns =
      'scope tenant_id team_id project_id budget_usd spent_usd left_usd projected_usd';
    const rows = await answer('month-to-date', `${columns} projected_percent`);
    expect(rows.slice(0, 7)).toEqual([
      // At the providers' prices, which budgets count. Of whole days 0.275 + 2.25 + 1.425 = 3.95, times 30 / 19; and once 0.05 - 0.02.
      'tenant acme   10.000000000 4.430000000 5.570000000 6.266842105 62',
      'tenant globex   - 0.400000000 - 0.631578947 -',
      'team acme search  4.000000000 3.025000000 0.975000000 4.036842105 100',
      'team acme support  - 1.425000000 - 2.250000000 -',
      'team globex lab  - 0.400000000 - 0.631578947 -',
      'team acme quiet  1.000000000 0.000000000 1.000000000 0.000000000 0',
      'team acme   - -0.020000000 - -0.020000000 -',
    ]);
    expect(rows.slice(7)).toContain('project acme search web - 0.775000000 - 0.775000000 -');
  });

  it('states what last month is charged, from cost over discount and margin', async () => {
    const inDecember = await createSpendLake('2026-12-03');
    try {
      await bookCompany(inDecember);
      const rows = await inDecember.ask('chargeback-statement');
      const lines = rows.map((row) =>
        [
          'usage_period',
          'cost_center',
          'team_id',
          'project_id',
          'model',
          'requests',
          'cost_nano_usd',
          'discount_nano_usd',
          'margin_nano_usd',
          'charged_usd',
        ]
          .map((column) => row[column] ?? '-')
          .join(' '),
      );
      expect(lines).toEqual([
        '2026-11 CC-1 search evaluation gpt-5 1 2250000000 450000000 180000000 1.980000000',
        '2026-11 CC-1 search web gpt-5-mini 2 725000000 0 0 0.725000000',
        '2026-10 CC-1 search web gpt-5-mini 1 50000000 0 0 0.050000000',
        '2026-11 CC-2 support bot claude-sonnet-5 1 1425000000 0 0 1.425000000',
        '2026-10 - - - - 0 -20000000 0 0 -0.020000000',
        '2026-11 - lab lab gpt-5-mini 4 400000000 0 0 0.400000000',
      ]);
    } finally {
      await inDecember.close();
    }
  });

  it('shows what was corrected and adjusted, and for which month', async () => {
    const columns = 'booked_period usage_period entry_kind reason team_id bookings cost_usd';
    expect(await answer('corrections-and-adjustments', columns)).toEqual([
      '2026-11 2026-10 adjustment invoice of openai for 2026-10 - 1 -0.020000000',
      '2026-11 2026-10 call - search 1 0.050000000',
      '2026-11 2026-11 correction a better copy arrived lab 1 0.300000000',
      '2026-11 2026-11 correction a better copy arrived: taken back lab 1 -5.000000000',
    ]);
  });
});

describe('what could be cheaper', () => {
  it('counts what caching saved, less what writing the cache cost', async () => {
    const columns = 'booked_period team_id model cached_percent saved_usd';
    expect(await answer('showback-cache-savings', columns)).toEqual([
      '2026-11 support claude-sonnet-5 100 2.325000000', // 2.7 - 0.075 - 0.3
      '2026-11 search gpt-5-mini 31 0.225000000', // 1 of 3.2 million
      '2026-11 search gpt-5 0 0.000000000',
      '2026-11 lab gpt-5-mini 0 0.000000000',
      '2026-10 search gpt-5-mini 0 0.000000000',
    ]);
  });

  it('prices the tokens of premium models at the cheapest shared one', async () => {
    const columns =
      'team_id cost_usd premium_usd premium_percent cheaper_alias cheaper_usd difference_usd';
    expect(await answer('premium-share', columns)).toEqual([
      'search 3.025000000 2.250000000 74 small 0.450000000 1.800000000',
      'support 1.425000000 1.425000000 100 small 0.095000000 1.330000000', // 0.05 + 0.025 + 0.02
    ]);
  });

  it('tells tokens and cost of a request by feature', async () => {
    const columns =
      'team_id feature model_alias requests input_tokens_mean output_tokens_mean input_tokens_p95 cost_usd_mean';
    expect(await answer('tokens-per-request', columns)).toEqual([
      'search answers small 3 1066666 33333 2000000 0.258333333',
      'lab - small 2 500000 12500 1000000 0.150000000',
      'search evaluation large 1 1000000 100000 1000000 2.250000000',
      'support replies claude 1 1200000 10000 1000000 1.425000000',
    ]);
  });

  it('ranks growth against the seven days before', async () => {
    const columns =
      'team_id feature requests requests_before cost_usd cost_before_usd growth_usd growth_percent';
    expect(await answer('growth-week-on-week', columns)).toEqual([
      'support replies 1 0 1.425000000 0.000000000 1.425000000 -',
      'lab - 4 0 0.400000000 0.000000000 0.400000000 -',
    ]);
  });
});

describe('how calls went', () => {
  it('gives percentiles of answered calls and the share that failed, by tenant', async () => {
    const columns =
      'tenant_id model_alias requests failed_requests failed_per_10000 ttft_ms_p50 ttft_ms_p99 duration_ms_p95 overhead_ms_p99';
    expect(await answer('latency-by-tenant', columns)).toEqual([
      'acme claude 1 0 0 5 5 50 2',
      'acme small 1 0 0 5 5 50 2',
      'globex small 4 1 2500 5 5 50 2',
    ]);
  });

  it('shows who was denied by what', async () => {
    const columns =
      'tenant_id team_id denied_scope denied_dimension model_alias denied_requests first_denied_ms';
    expect(await answer('denials-by-team', columns)).toEqual([
      `acme support team:support requestsPerMinute small 2 ${Date.parse('2026-11-18T12:00:00Z')}`,
    ]);
  });

  it('shows calls without a price, but not an estimate that the truth has replaced', async () => {
    const columns = 'tenant_id model outcome unpriced estimated requests cost_usd';
    expect(await answer('unpriced-or-estimated', columns)).toEqual([
      'globex gpt-5-mini ok true false 1 0.000000000',
    ]);
  });

  it('tells the cost of calls that nobody got a whole answer from', async () => {
    const columns = 'team_id outcome error_code requests output_tokens cost_usd';
    expect(await answer('failed-and-cancelled', columns)).toEqual([
      'lab cancelled - 1 50000 0.100000000',
      'lab error upstream_failed 1 0 0.000000000',
    ]);
  });
});
