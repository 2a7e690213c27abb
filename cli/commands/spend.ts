import * as z from 'zod';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { localTime, money } from '../format.ts';
import { allPages } from '../pages.ts';
import { scopeText } from '../scope.ts';
import { table } from '../table.ts';

const amountsSchema = z.looseObject({ nano_usd: z.number() });
const usageSchema = z.looseObject({
  scope: z.looseObject({ tenantId: z.string(), teamId: z.string().optional() }),
  period: z.string(),
  settled: amountsSchema,
  held: amountsSchema,
  limits: z.looseObject({ usdPerMonth: z.string().optional() }),
  projected_end_usd: z.string(),
  reset_at: z.string(),
});
type Usage = z.infer<typeof usageSchema>;
const pageSchema = z.looseObject({ scopes: z.array(usageSchema), next: z.string().nullable() });

export const spend: Command = {
  name: 'spend',
  takes: '[tenant]',
  about: 'What tenants and teams have spent this month, live; months before are in Athena.',
  async run({ positionals, admin }) {
    const [tenantId, ...more] = positionals;
    if (more.length > 0) throw new CliError('Name one tenant, or none for all.');
    const client = admin();
    const scopes = await allPages(async (after) => {
      const { body } = await client.call('GET /usage', pageSchema, { query: { tenantId, after } });
      return { items: body.scopes, next: body.next };
    });
    const [first] = scopes;
    const note = first && `${first.period}; the next month begins ${localTime(first.reset_at)}.`;
    return { json: { scopes }, text: [spendTable(scopes), ...(note ? [note] : [])].join('\n') };
  },
};

const NANO_PER_USD = 1_000_000_000;

function spendTable(scopes: readonly Usage[]): string {
  const budget = ({ limits: { usdPerMonth } }: Usage) =>
    usdPerMonth === undefined ? undefined : Number(usdPerMonth) * NANO_PER_USD;
  return table<Usage>(
    [
      { title: 'who', cell: ({ scope }) => scopeText(scope) },
      { title: 'spent', align: 'right', cell: ({ settled }) => money(settled.nano_usd) },
      { title: 'held', align: 'right', cell: ({ held }) => money(held.nano_usd) },
      { title: 'budget', align: 'right', cell: (each) => shown(budget(each)) },
      {
        title: 'used',
        align: 'right',
        cell: (each) => percent(each.settled.nano_usd + each.held.nano_usd, budget(each)),
      },
      {
        title: 'by the end',
        align: 'right',
        cell: (each) => money(Math.round(Number(each.projected_end_usd) * NANO_PER_USD)),
      },
    ],
    scopes,
    'There is nobody here who could spend.',
  );
}

function shown(amount: number | undefined): string {
  return amount === undefined ? '-' : money(Math.round(amount));
}

function percent(used: number, of: number | undefined): string {
  return of === undefined ? '-' : `${Math.round((100 * used) / of)}%`;
}
