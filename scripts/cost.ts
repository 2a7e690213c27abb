/**
 * What a deployment costs a month, by compute mode: `npm run cost -- --requests 300M --seconds 4.8`. Every price and its
 * date is in scripts/cost/prices.json; `--json` prints all quantities.
 */
import { parseArgs } from 'node:util';
import {
  type BillLine,
  billOf,
  type Compute,
  peakStreams,
  readCostBook,
  totalUsd,
} from './cost/bill.ts';
import { type CostOptions, costOptionsSchema, modesOf } from './cost/options.ts';

const NAMES = Object.keys(costOptionsSchema.shape);

main();

function main(): void {
  const { values } = parseArgs({
    options: Object.fromEntries(
      NAMES.map((name) => [name, { type: name === 'json' ? 'boolean' : 'string' }] as const),
    ),
  });
  const parsed = costOptionsSchema.safeParse(values);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues)
      console.error(`--${path.join('.')}: ${message}`);
    process.exitCode = 2;
    return;
  }
  const options = parsed.data;
  const book = readCostBook();
  const modes = modesOf(options).map(({ traffic, compute }) => {
    const lines = billOf(traffic, compute, book);
    return { compute, lines, totalUsd: totalUsd(lines), peakStreams: peakStreams(traffic) };
  });
  if (options.json) console.log(JSON.stringify({ region: book.region, options, modes }, null, 2));
  else for (const mode of modes) print(mode, options);
  if (!options.json) printFooter(options, book.region);
}

interface Mode {
  readonly compute: Compute;
  readonly lines: readonly BillLine[];
  readonly totalUsd: number;
}

function print({ compute, lines, totalUsd: total }: Mode, { requests }: CostOptions): void {
  console.log(`\n${titleOf(compute)}\n`);
  const dollars = (usd: number) => usd.toLocaleString('en-US', { maximumFractionDigits: 0 });
  const aMillion = (usd: number) => (usd / (requests / 1e6)).toFixed(2);
  const row = (what: string, usd: number, note: string) =>
    console.log(
      `  ${what.padEnd(24)}${dollars(usd).padStart(10)}${aMillion(usd).padStart(10)}   ${note}`,
    );
  console.log(`  ${''.padEnd(24)}${'$/month'.padStart(10)}${'$/million'.padStart(10)}`);
  for (const { what, usd, quantity, unit } of lines)
    row(what, usd, `${quantity.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${unit}`);
  row('total', total, '');
}

function titleOf(compute: Compute): string {
  switch (compute.kind) {
    case 'lambda':
      return `compute: lambda, ${compute.memoryMb} MB, one stream an environment, no leases`;
    case 'managed-instances':
      return `compute: managed-instances, c7g.4xlarge, ${compute.streamsPerVcpu} streams a vCPU at ${compute.utilisation * 100} % on average, leases`;
  }
}

function printFooter(options: CostOptions, region: string): void {
  const [first] = modesOf(options);
  if (first !== undefined)
    console.log(
      `\nStreams open at once at ${options['peak-factor']} times the average: ${peakStreams(first.traffic).toLocaleString('en-US')} (Lambda's default quota is 1,000 environments).`,
    );
  console.log(
    `List prices of ${region} in scripts/cost/prices.json, each with its date. Not in it: the providers' bills, taxes, support, savings plans, the free tier, Athena, S3, WAF and alarms.`,
  );
}
