/**
 * What a deployment costs a month, by compute mode: `npm run cost -- --requests 300M --seconds 4.8`. Every price and its
 * date is in scripts/cost/prices.json; `--json` prints all quantities.
 */
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { parseCount } from '../core/policy/units.ts';
import {
  type BillLine,
  billOf,
  type Compute,
  peakStreams,
  readCostBook,
  type Traffic,
  totalUsd,
} from './cost/bill.ts';

const positive = z.coerce.number().positive();
const count = z.string().transform((text, context) => {
  const value = parseCount(text);
  if (value !== undefined && value > 0) return value;
  context.addIssue({ code: 'custom', message: 'a count such as 300M or 50000' });
  return z.NEVER;
});

const optionsSchema = z.object({
  requests: count.default(300_000_000),
  seconds: positive.default(4.8),
  'answer-kb': positive.default(72),
  'question-kb': positive.default(10),
  'event-kb': positive.default(1.6),
  'log-kb': positive.default(0.5),
  /** Key, team, tenant and provider pool: a reserve and a settle in each. */
  writes: positive.default(8),
  /** The same with leases, which managed instances have (ADR 0016). */
  'writes-leased': positive.default(2.4),
  reads: z.coerce.number().nonnegative().default(0.1),
  'memory-mb': positive.default(256),
  'streams-per-vcpu': positive.default(64),
  utilisation: positive.max(1).default(0.6),
  'min-instances': positive.default(3),
  'peak-factor': positive.default(4),
  json: z.boolean().default(false),
});
type Options = z.infer<typeof optionsSchema>;

const NAMES = Object.keys(optionsSchema.shape);

main();

function main(): void {
  const { values } = parseArgs({
    options: Object.fromEntries(
      NAMES.map((name) => [name, { type: name === 'json' ? 'boolean' : 'string' }] as const),
    ),
  });
  const parsed = optionsSchema.safeParse(values);
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

function modesOf(options: Options): { traffic: Traffic; compute: Compute }[] {
  const traffic = {
    requests: options.requests,
    seconds: options.seconds,
    answerKb: options['answer-kb'],
    questionKb: options['question-kb'],
    eventKb: options['event-kb'],
    logKb: options['log-kb'],
    writes: options.writes,
    reads: options.reads,
    peakFactor: options['peak-factor'],
  };
  return [
    { traffic, compute: { kind: 'lambda', memoryMb: options['memory-mb'] } },
    {
      traffic: { ...traffic, writes: options['writes-leased'] },
      compute: {
        kind: 'managed-instances',
        streamsPerVcpu: options['streams-per-vcpu'],
        utilisation: options.utilisation,
        minInstances: options['min-instances'],
      },
    },
  ];
}

interface Mode {
  readonly compute: Compute;
  readonly lines: readonly BillLine[];
  readonly totalUsd: number;
}

function print({ compute, lines, totalUsd: total }: Mode, { requests }: Options): void {
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

function printFooter(options: Options, region: string): void {
  const [first] = modesOf(options);
  if (first !== undefined)
    console.log(
      `\nStreams open at once at ${options['peak-factor']} times the average: ${peakStreams(first.traffic).toLocaleString('en-US')} (Lambda's default quota is 1,000 environments).`,
    );
  console.log(
    `List prices of ${region} in scripts/cost/prices.json, each with its date. Not in it: the providers' bills, taxes, support, savings plans, the free tier, Athena, S3, WAF and alarms.`,
  );
}
