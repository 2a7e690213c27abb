/**
 * The monthly bill of a deployment in one compute mode: quantities from the traffic, prices from prices.json. What is
 * not in it (taxes, support, the free tier, savings plans, the providers' own bills) is said on the command line.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';

export interface Traffic {
  /** A month. */
  readonly requests: number;
  /** From a call's arrival to its last byte, on average. */
  readonly seconds: number;
  /** Of an answer, headers and framing included. */
  readonly answerKb: number;
  /** Of a question. */
  readonly questionKb: number;
  /** Of the usage event. */
  readonly eventKb: number;
  /** Of all log lines of a call. */
  readonly logKb: number;
  /** Write and read units of DynamoDB a call. */
  readonly writes: number;
  readonly reads: number;
  /** The busiest second's calls to the average's. */
  readonly peakFactor: number;
}

export type Compute =
  | { readonly kind: 'lambda'; readonly memoryMb: number }
  | {
      readonly kind: 'managed-instances';
      readonly streamsPerVcpu: number;
      /** Of the streams that the instances could take, the share that they have on average; 0 to 1. */
      readonly utilisation: number;
      readonly minInstances: number;
    };

export interface BillLine {
  readonly what: string;
  /** In the unit of its price. */
  readonly quantity: number;
  readonly unit: string;
  readonly usd: number;
}

const HOURS_A_MONTH = 730;
const KB_A_GB = 1024 ** 2;
/** One each in three zones. */
const NAT_GATEWAYS = 3;
/** Of a c7g.4xlarge; one of the sixteen is the platform's. */
const USABLE_VCPUS = 15;
/** The lake's Firehose and the usage monitor. */
const STREAM_CONSUMERS = 2;

const tierSchema = z.strictObject({ upTo: z.number().optional(), usd: z.number() });
const priceSchema = z.strictObject({
  unit: z.string(),
  tiers: z.array(tierSchema).min(1),
  source: z.url(),
  date: z.iso.date(),
});
const NAMES = [
  'apiGatewayRequests',
  'lambdaRequests',
  'lambdaGbSeconds',
  'instanceHours',
  'managedInstancesFeePercent',
  'dynamoWrites',
  'dynamoReads',
  'kinesisInGb',
  'kinesisOutGb',
  'kinesisHours',
  'firehoseGb',
  'egressGb',
  'natGb',
  'natHours',
  'logsGb',
] as const;
const bookSchema = z.strictObject({
  region: z.string(),
  prices: z.record(z.enum(NAMES), priceSchema),
});
export type CostBook = z.infer<typeof bookSchema>;
type PriceName = (typeof NAMES)[number];

export function readCostBook(file = new URL('prices.json', import.meta.url)): CostBook {
  return bookSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

export function billOf(traffic: Traffic, compute: Compute, { prices }: CostBook): BillLine[] {
  const line = (what: string, price: PriceName, quantity: number): BillLine => {
    const { unit, tiers } = prices[price];
    return { what, quantity, unit, usd: tiered(tiers, quantity) };
  };
  const millions = traffic.requests / 1e6;
  const gb = (kb: number) => (traffic.requests * kb) / KB_A_GB;
  const eventGb = gb(Math.ceil(traffic.eventKb));
  return [
    line('API Gateway', 'apiGatewayRequests', millions),
    line('Lambda, invocations', 'lambdaRequests', millions),
    ...computeLines(traffic, compute, { line, prices, gb }),
    line('DynamoDB, writes', 'dynamoWrites', millions * traffic.writes),
    line('DynamoDB, reads', 'dynamoReads', millions * traffic.reads),
    line('Kinesis, put', 'kinesisInGb', eventGb),
    line('Kinesis, read', 'kinesisOutGb', eventGb * STREAM_CONSUMERS),
    line('Kinesis, stream', 'kinesisHours', HOURS_A_MONTH),
    line('Firehose', 'firehoseGb', gb(Math.ceil(traffic.eventKb / 5) * 5)),
    line('Answers to callers', 'egressGb', gb(traffic.answerKb)),
    line('Logs', 'logsGb', gb(traffic.logKb)),
  ];
}

export function totalUsd(lines: readonly BillLine[]): number {
  return lines.reduce((sum, { usd }) => sum + usd, 0);
}

interface Tools {
  readonly line: (what: string, price: PriceName, quantity: number) => BillLine;
  readonly prices: CostBook['prices'];
  readonly gb: (kb: number) => number;
}

function computeLines(traffic: Traffic, compute: Compute, { line, prices, gb }: Tools): BillLine[] {
  const openSeconds = traffic.requests * traffic.seconds;
  switch (compute.kind) {
    case 'lambda':
      return [
        line('Lambda, duration', 'lambdaGbSeconds', (openSeconds * compute.memoryMb) / 1024 / 1e6),
      ];
    case 'managed-instances': {
      const streams = USABLE_VCPUS * compute.streamsPerVcpu * compute.utilisation;
      const instances = Math.max(
        compute.minInstances,
        openSeconds / (HOURS_A_MONTH * 3600) / streams,
      );
      const hours = line('Instances', 'instanceHours', instances * HOURS_A_MONTH);
      const { unit, tiers } = prices.managedInstancesFeePercent;
      const percent = tiered(tiers, 1);
      const usd = (hours.usd * percent) / 100;
      return [
        hours,
        { what: 'Instances, management', quantity: percent, unit, usd },
        line('NAT, hours', 'natHours', NAT_GATEWAYS * HOURS_A_MONTH),
        // Questions out and answers in: a NAT gateway counts both.
        line('NAT, to providers', 'natGb', gb(traffic.questionKb + traffic.answerKb)),
      ];
    }
  }
}

/** A tier's price is for what lies between the tier before and its own end. */
function tiered(tiers: CostBook['prices'][PriceName]['tiers'], quantity: number): number {
  let usd = 0;
  let from = 0;
  for (const { upTo = Infinity, usd: price } of tiers) {
    usd += Math.max(0, Math.min(quantity, upTo) - from) * price;
    from = upTo;
  }
  return usd;
}

/** Streams open at once in the busiest second: what the account's quota of environments must allow. */
export function peakStreams({ requests, seconds, peakFactor }: Traffic): number {
  return Math.ceil((requests / (HOURS_A_MONTH * 3600)) * peakFactor * seconds);
}
