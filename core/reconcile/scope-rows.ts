/** The rows of the lake that belong to an account: by the account's key, whose parts are encoded. */
import { text } from './questions.ts';

export interface ScopeName {
  readonly kind: 'key' | 'team' | 'tenant';
  readonly tenantId?: string;
  readonly teamId?: string;
  readonly keyId?: string;
}

/** Throws TypeError for the account of another kind of scope. */
export function scopeOfKey(accountKey: string): ScopeName {
  const [kind, first = '', second = ''] = accountKey.split('/').map(decode);
  switch (kind) {
    case 'key':
      return { kind, keyId: first };
    case 'team':
      return { kind, tenantId: first, teamId: second };
    case 'tenant':
      return { kind, tenantId: first };
    default:
      throw new TypeError(`not compared: ${accountKey}`);
  }
}

/** As a condition of SQL. */
export function rowsOf({ tenantId, teamId, keyId }: ScopeName): string {
  const equals = (column: string, value: string | undefined) =>
    value === undefined ? [] : [`${column} = ${text(value)}`];
  return [
    ...equals('tenant_id', tenantId),
    ...equals('team_id', teamId),
    ...equals('virtual_key_id', keyId),
  ].join(' AND ');
}

function decode(part: string): string {
  return part.replaceAll('%2F', '/').replaceAll('%25', '%');
}
