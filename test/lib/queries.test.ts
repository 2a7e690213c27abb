import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { LAKE } from '../../core/names.ts';
import { type UsageEvent, usageEventColumns } from '../../core/usage/event.ts';
import { readNamedQueries } from '../../lib/constructs/usage-queries.ts';
import { readViews } from '../../lib/constructs/usage-views.ts';
import { projectRoot } from '../../lib/project-root.ts';
import { USAGE_EVENT } from '../support/ledger-lake.ts';

const queries = readNamedQueries();
const sqlOf = (name: string) => {
  const query = queries.find((candidate) => candidate.name === name);
  if (query === undefined) throw new Error(`no query ${name}`);
  return query.sql;
};

/** The questions about what arrived, whatever the ledger made of it. */
const RAW = new Map([
  ['audit-trail', LAKE.auditTable],
  ['usage-totals', LAKE.usageTable],
  ['flagged-records', LAKE.usageTable],
  ['rejected-records', LAKE.rejectedTable],
]);

describe('named queries', () => {
  it('are one question each, asked in the leading comment', () => {
    expect(queries.map(({ name }) => name)).toEqual([
      'audit-trail',
      'chargeback-statement',
      'corrections-and-adjustments',
      'denials-by-team',
      'failed-and-cancelled',
      'flagged-records',
      'growth-week-on-week',
      'latency-by-tenant',
      'month-to-date',
      'premium-share',
      'rejected-records',
      'showback-cache-savings',
      'spend-by-cost-center',
      'spend-by-customer',
      'spend-by-day',
      'spend-by-feature',
      'spend-by-model',
      'spend-by-project',
      'spend-by-team',
      'spend-by-tenant',
      'spend-by-user',
      'tokens-per-request',
      'unpriced-or-estimated',
      'usage-totals',
    ]);
    for (const { description } of queries) expect(description).toMatch(/^[A-Z].*\?/);
  });

  it.each(queries)('$name filters on the partition of what it reads', ({ name, sql }) => {
    const table = RAW.get(name);
    if (table !== undefined) expect(sql).toMatch(new RegExp(`from ${table}\\n\\s*where dt >= `));
    else expect(sql).toMatch(/from spend\s+where booked_period (>=|=) date_format\(current_date/);
  });

  describe('as Athena reads them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-trino-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    let validate: (sql: string) => readonly unknown[];

    beforeAll(async () => {
      // The parser's own ES modules do not load in Node, so it is bundled once.
      const outfile = join(folder, 'trino.cjs');
      const entry = {
        contents: "export { TrinoSQL } from 'dt-sql-parser'",
        resolveDir: projectRoot,
      };
      await build({
        stdin: entry,
        outfile,
        bundle: true,
        platform: 'node',
        format: 'cjs',
        logLevel: 'error',
      });
      const { TrinoSQL } = trinoModule.parse(createRequire(import.meta.url)(outfile));
      validate = (sql) => new TrinoSQL().validate(sql);
    }, 30_000);

    it.each([...queries, ...readViews()])('$name is Trino SQL', ({ sql }) => {
      expect(validate(sql)).toEqual([]);
    });

    it('would notice SQL that only DuckDB understands', () => {
      expect(validate('select a::bigint from usage')).not.toEqual([]);
    });
  });

  describe('over a table with repeated, denied, estimated and old rows', () => {
    let ask: (name: string) => Promise<Record<string, unknown>[]>;
    let close: () => void;

    beforeAll(async () => {
      const instance = await DuckDBInstance.create(':memory:');
      const connection = await instance.connect();
      await connection.run(trinoFunctions);
      const columns = usageEventColumns.map(
        ({ name, type }) => `${name} ${type === 'string' ? 'varchar' : type}`,
      );
      await connection.run(
        `create table ${LAKE.usageTable} (${[...columns, 'dt varchar', '"hour" varchar'].join(', ')})`,
      );
      for (const { dt, ...event } of rows) {
        const values = [
          ...usageEventColumns.map(({ name }) => literal(Reflect.get(event, name))),
          literal(dt),
          "'00'",
        ];
        await connection.run(`insert into ${LAKE.usageTable} values (${values.join(', ')})`);
      }
      ask = async (name) => (await connection.runAndReadAll(sqlOf(name))).getRowObjectsJson();
      close = () => {
        connection.closeSync();
        instance.closeSync();
      };
    }, 30_000);
    afterAll(() => close());

    it('totals every request once, to the nano-dollar, settled rows before estimated ones', async () => {
      expect(await ask('usage-totals')).toEqual([
        {
          requests: '4',
          denied_requests: '1',
          input_tokens: '300',
          cached_input_tokens: '7',
          cache_write_tokens: '42',
          audio_input_tokens: '3',
          output_tokens: '30',
          audio_output_tokens: '2',
          cost_nano_usd: '9000000000000003',
          cost_usd: '9000000.000000003',
        },
      ]);
    });
  });
});

const trinoModule = z.object({
  TrinoSQL: z.custom<new () => { validate(sql: string): readonly unknown[] }>(
    (value) => typeof value === 'function',
  ),
});

/** What the queries use of Trino and DuckDB names differently. */
const trinoFunctions = `
  set integer_division = true;
  create macro date_format(ts, f) as strftime(ts, replace(replace(f, '%i', '%M'), '%s', '%S'));
  create macro date_add(u, n, d) as case u when 'day' then d::timestamp + to_days(n::int) end;
`;

const call: UsageEvent = {
  ...USAGE_EVENT,
  request_id: 'r1',
  virtual_key_id: 'k1',
  cost_nano_usd: 9_000_000_000_000_000,
};

const today = new Date().toISOString().slice(0, 10);
const denial = {
  outcome: 'denied',
  status: 429,
  denied_scope: 'team',
  denied_dimension: 'tokensPerMinute',
  cost_nano_usd: 0,
} as const;
const noTokens = { input_tokens: null, cached_input_tokens: null, output_tokens: null } as const;

const rows: readonly (UsageEvent & { readonly dt: string })[] = [
  { ...call, dt: today },
  { ...call, dt: today },
  // Posted at the held amount by the reaper, then settled late: the settlement counts.
  { ...call, request_id: 'r2', estimated: true, cost_nano_usd: 999, dt: today },
  { ...call, request_id: 'r2', cached_input_tokens: null, cost_nano_usd: 2, dt: today },
  {
    ...call,
    request_id: 'r3',
    team_id: 'support',
    project_id: 'bot',
    cached_input_tokens: 0,
    cache_write_5m_tokens: 2,
    cache_write_1h_tokens: 40,
    audio_input_tokens: 3,
    audio_output_tokens: 2,
    price_version: null,
    cost_nano_usd: 1,
    dt: today,
  },
  {
    ...call,
    ...denial,
    ...noTokens,
    request_id: 'r4',
    team_id: 'support',
    project_id: 'bot',
    dt: today,
  },
  { ...call, request_id: 'r5', dt: '2026-01-01' },
];

function literal(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'string' ? `'${value}'` : String(value);
}
