/** Where logs and records of calls are, as the stack says. */
import * as z from 'zod';
import type { Place } from '../../core/request-lookup.ts';

const placeSchema = z.object({ logGroup: z.string(), traceBucket: z.string().optional() });

export function readPlace(text: string): Place {
  const { logGroup, traceBucket } = placeSchema.parse(JSON.parse(text));
  return { region: process.env['AWS_REGION'] ?? 'us-east-1', logGroup, traceBucket };
}
