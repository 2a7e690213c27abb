import { inexpressible } from '../compatibility.ts';
import { type DroppedField, type RefusedField, refusalReason } from './compatibility-rows.ts';
import { type ModelRules, rulesOf } from './model-rules.ts';

/** A request to Converse while it is being written: what the model knows, and what had to be left out. */
export interface Draft {
  readonly rules: ModelRules;
  readonly dropped: Set<string>;
}

export function newDraft(model: string): Draft {
  return { rules: rulesOf(model), dropped: new Set() };
}

export function drop({ dropped }: Draft, field: DroppedField): void {
  dropped.add(field);
}

/** Throws GatewayError `invalid_request` with the reason that the table gives. */
export function refuse(field: RefusedField): never {
  throw inexpressible(field, refusalReason(field));
}
