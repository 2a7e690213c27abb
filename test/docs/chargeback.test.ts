import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { monthPage } from '../../core/chargeback/month-page.ts';
import { monthStatement } from '../../core/chargeback/month-statement.ts';
import { monthDays, monthLines } from '../../core/chargeback/statement-questions.ts';
import { readNamedQueries } from '../../lib/constructs/usage-queries.ts';
import { projectRoot } from '../../lib/project-root.ts';
import { bookCompany, TODAY } from '../support/spend-company.ts';
import { createSpendLake, type SpendLake } from '../support/spend-lake.ts';

const PAGE = join(projectRoot, 'docs/chargeback.md');
const BLOCK = /<!-- (query|answer): ([a-z-]+)(?: on (\S+))? -->\n[\s\S]*?<!-- end -->/g;

const lakes = new Map<string, SpendLake>();
beforeAll(async () => {
  for (const today of [TODAY, '2026-12-03']) {
    const lake = await createSpendLake(today);
    await bookCompany(lake);
    lakes.set(today, lake);
  }
});
afterAll(() => Promise.all([...lakes.values()].map((lake) => lake.close())));

function lakeOf(today: string): SpendLake {
  const lake = lakes.get(today);
  if (lake === undefined) throw new Error(`no lake on ${today}`);
  return lake;
}

// After a change that is meant: vitest run test/docs --update=all (--update before the path would take the path for its value, and run everything)
it('shows the queries as they are and the answers that they give', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const blocks = [...page.matchAll(BLOCK)];
  expect(blocks.length).toBeGreaterThan(10);
  const fresh = new Map<string, string>();
  for (const [block, kind = '', name = '', today = TODAY] of blocks)
    fresh.set(block, await rendered({ block, kind, name, lake: lakeOf(today) }));
  await expect(page.replaceAll(BLOCK, (block) => fresh.get(block) ?? block)).toMatchFileSnapshot(
    PAGE,
  );
});

it("shows November's statement as the function writes it", async () => {
  const lake = lakeOf('2026-12-03');
  const statement = monthStatement({
    period: '2026-11',
    status: 'final',
    lines: (await lake.run(monthLines("'2026-11'"))).rows,
    days: (await lake.run(monthDays('2026-11'))).rows,
  });
  await expect(monthPage(statement, 1)).toMatchFileSnapshot(
    join(projectRoot, 'docs/chargeback-page.html'),
  );
});

async function rendered({
  block,
  kind,
  name,
  lake,
}: {
  block: string;
  kind: string;
  name: string;
  lake: SpendLake;
}): Promise<string> {
  const sql = readNamedQueries().find((query) => query.name === name)?.sql ?? '';
  const rows = await lake.ask(name);
  const columns = Object.keys(rows[0] ?? {});
  const lines = [
    columns,
    columns.map(() => '---'),
    ...rows.map((row) => columns.map((column) => row[column] ?? '')),
  ];
  const table = lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const question =
    kind === 'query' ? `\`\`\`sql\n${sql}\`\`\`` : `[${name}](../lib/queries/${name}.sql)`;
  return `${block.split('\n')[0]}\n${question}\n\n${table}\n<!-- end -->`;
}
