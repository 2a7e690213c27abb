/**
 * What a dialect cannot say, as data: every field of a caller's body that a target refuses or leaves out
 * has a row, and docs/compatibility.md is made of the rows. A field without a row is refused.
 */
import type { Provider } from '../catalog/snapshot.ts';
import { GatewayError } from '../errors.ts';
import type { Dialect } from './dialect.ts';

export interface CompatibilityRow {
  /** By the callers' name for it. */
  readonly field: string;
  /** A dialect, or a kind of provider that speaks one in its own way. */
  readonly target: Dialect | Provider['kind'];
  /** `drop` only for what tunes an answer; what changes its meaning is refused. */
  readonly action: 'refuse' | 'drop';
  readonly reason: string;
}

/** The names of the fields that are left out. Throws GatewayError `invalid_request` for the first that cannot be. */
export function settleFields(
  fields: Readonly<Record<string, unknown>>,
  rows: readonly CompatibilityRow[],
): string[] {
  return Object.entries(fields).flatMap(([field, value]) => {
    if (saysNothing(field, value)) return [];
    const row = rows.find((each) => each.field === field);
    if (row?.action === 'drop') return [field];
    throw inexpressible(field, row?.reason ?? 'The model of this route has no such field');
  });
}

export function inexpressible(field: string, reason: string): GatewayError {
  return new GatewayError('invalid_request', `Invalid value for '${field}': ${reason}.`, {
    param: field,
  });
}

/** Written out, but asking for what happens anyway. */
function saysNothing(field: string, value: unknown): boolean {
  return value == null || value === false || (field === 'n' && value === 1);
}
