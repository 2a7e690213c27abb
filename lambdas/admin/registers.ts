/** The two registers of governance, in the catalog table. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import {
  isOpenOverride,
  type Override,
  overrideAt,
  overrideSchema,
} from '../../core/governance/overrides.ts';
import { type PrincipalRecord, principalRecordSchema } from '../../core/governance/principals.ts';
import { createRegister, type Register } from '../adapters/register.ts';

export interface RegisterPlace {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  readonly clock: Clock;
}

const KEPT_MS = 90 * 86_400_000;

/** Nobody ever leaves it: the audit log goes by ids, so none is given twice. */
export function createPrincipalRegister(place: RegisterPlace): Register<PrincipalRecord> {
  return createRegister({
    ...place,
    name: 'principals',
    parse: (document) => principalRecordSchema.parse(document),
    idOf: ({ id }) => id,
    isOver: () => false,
  });
}

/** Who is over leaves it 90 days after it was asked for; the audit log keeps it. */
export function createOverrideRegister(place: RegisterPlace): Register<Override> {
  return createRegister({
    ...place,
    name: 'overrides',
    parse: (document) => overrideSchema.parse(document),
    idOf: ({ id }) => id,
    isOver: (override) =>
      !isOpenOverride(overrideAt(override, place.clock.nowMs())) &&
      override.requestedAtMs + KEPT_MS < place.clock.nowMs(),
  });
}
