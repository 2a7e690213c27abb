/**
 * The cost law that goal 19 names: what a million calls cost by list prices, where only what grows with each call is charged, at the
 * price of its first tier. It leaves out what `npm run cost` has besides: NAT gateways and what goes through them, the three instances
 * that the mode never goes below, the vCPU that the platform keeps, Firehose, and reads of the stream.
 */
import type { Compute, CostBook, Traffic } from '../scripts/cost/bill.ts';

/** Of the stream, for usage events. The law's own. */
const KINESIS_USD = 0.1;
/** Of a c7g.4xlarge. */
const VCPUS = 16;
const SECONDS_AN_HOUR = 3_600;
const MB_A_GB = 1_024;
const A_MILLION = 1e6;

export function usdByLaw(traffic: Traffic, compute: Compute, { prices }: CostBook): number {
  const price = (name: keyof typeof prices) => prices[name].tiers[0]?.usd ?? Number.NaN;
  // A kB of each of a million calls is a GB.
  return (
    price('apiGatewayRequests') +
    price('lambdaRequests') +
    timeUsd(traffic.seconds, compute, price) +
    price('dynamoWrites') * traffic.writes +
    price('dynamoReads') * traffic.reads +
    KINESIS_USD +
    price('egressGb') * traffic.answerKb +
    price('logsGb') * traffic.logKb
  );
}

/** A call is open so long; an instance is rented by the hour, with a fee for its management, and many calls share a vCPU. */
function timeUsd(
  seconds: number,
  compute: Compute,
  price: (name: keyof CostBook['prices']) => number,
): number {
  switch (compute.kind) {
    case 'lambda':
      return price('lambdaGbSeconds') * (compute.memoryMb / MB_A_GB) * seconds;
    case 'managed-instances': {
      const fee = 1 + price('managedInstancesFeePercent') / 100;
      const vcpuHourUsd = (price('instanceHours') * fee) / VCPUS;
      const streams = compute.streamsPerVcpu * compute.utilisation;
      return ((A_MILLION / SECONDS_AN_HOUR) * vcpuHourUsd * seconds) / streams;
    }
  }
}
