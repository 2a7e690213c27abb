/** What the bill of a month depends on, as options with their defaults, and the compute modes that are compared. */
import * as z from 'zod';
import { parseCount } from '../../core/policy/units.ts';
import type { Compute, Traffic } from './bill.ts';

const positive = z.coerce.number().positive();
const count = z.string().transform((text, context) => {
  const value = parseCount(text);
  if (value !== undefined && value > 0) return value;
  context.addIssue({ code: 'custom', message: 'a count such as 300M or 50000' });
  return z.NEVER;
});

export const costOptionsSchema = z.object({
  requests: count.default(300_000_000),
  seconds: positive.default(4.8),
  'answer-kb': positive.default(72),
  'question-kb': positive.default(10),
  'event-kb': positive.default(1.6),
  'log-kb': positive.default(0.5),
  /** Key, team, tenant and provider pool: a reserve and a settle in each. */
  writes: positive.default(8),
  /** The same with leases and settlements that ride in reserves, which managed instances have (ADRs 0016 and 0042). */
  'writes-leased': positive.default(1.6),
  reads: z.coerce.number().nonnegative().default(0.1),
  'memory-mb': positive.default(256),
  'streams-per-vcpu': positive.default(64),
  utilisation: positive.max(1).default(0.6),
  'min-instances': positive.default(3),
  'peak-factor': positive.default(4),
  json: z.boolean().default(false),
});
export type CostOptions = z.infer<typeof costOptionsSchema>;

export function modesOf(options: CostOptions): { traffic: Traffic; compute: Compute }[] {
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
