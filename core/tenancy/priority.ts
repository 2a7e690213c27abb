/** How urgent a call is among others at a server that schedules by it. */
import * as z from 'zod/mini';
import { GatewayError } from '../errors.ts';

export const PRIORITY_HEADER = 'x-tollgate-priority';

export const prioritySchema = z.enum(['low', 'normal', 'high']);
export type Priority = z.infer<typeof prioritySchema>;

const ORDER: readonly Priority[] = ['low', 'normal', 'high'];

/** What the caller asks for, and never more than its key may use: asking for more is no error, it only gets no more. */
export function priorityOf(header: string | undefined, most: Priority = 'normal'): Priority {
  if (header === undefined) return most === 'low' ? 'low' : 'normal';
  const asked = prioritySchema.safeParse(header.trim().toLowerCase());
  if (!asked.success)
    throw new GatewayError('invalid_request', `${PRIORITY_HEADER} must be low, normal or high.`, {
      param: PRIORITY_HEADER,
    });
  return ORDER[Math.min(ORDER.indexOf(asked.data), ORDER.indexOf(most))] ?? 'normal';
}
