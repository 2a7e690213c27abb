/** Wires what watches the calls: the log's metrics, and what the stage has beside them. Built once per environment. */
import * as z from 'zod/mini';
import type { Watch } from '../../core/observed-serve.ts';
import type { Asked } from './ask-for-policy.ts';

const settingsSchema = z.object({
  /** Of traces, 0 to 100. */
  samplePercent: z.optional(z.number()),
  xray: z.optional(z.boolean()),
  otlp: z.optional(z.object({ endpoint: z.string(), headersSecret: z.optional(z.string()) })),
  traceBucket: z.optional(z.string()),
});
export type Settings = z.infer<typeof settingsSchema>;

export async function createWatch(env: Asked['env'], countFault: () => void): Promise<Watch> {
  const settings = settingsSchema.parse(JSON.parse(env.observation));
  const { xray, otlp, traceBucket } = settings;
  const told: Watch = {
    countFault,
    // Past the console, which wraps what it writes: the line must be the whole of its log event.
    emit: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
  };
  if (xray !== true && otlp === undefined && traceBucket === undefined) return told;
  const { createObservers } = await import('./observers.ts');
  return { ...told, ...createObservers(settings, env.stage) };
}
