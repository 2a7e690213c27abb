/**
 * Compares what the accounts said at a moment with what the ledger says of the calls that had closed by then.
 * A call whose hold was open is not settled yet, so the ledger's rows of it are set aside; one that was posted
 * counts at its hold. What remains must be equal to the nano-dollar and the token.
 */
import { holdIdsOf } from '../ids.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { addSums, isBalanced, isZero, NO_SUMS, type ScopeMonth, type Sums } from './snapshot.ts';

export interface LedgerRow {
  readonly tenantId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly period: string;
  readonly requests: number;
  /** Of calls that had closed for certain when the accounts were read. */
  readonly sure: Sums;
  /** Of calls that closed at about that moment. */
  readonly maybe: Sums;
}

/** A request that was open or posted when the accounts were read, as the ledger has it. */
export interface LedgerRequest {
  readonly requestId: string;
  readonly sure: Sums;
  readonly maybe: Sums;
}

/**
 * `equal`: to the nano-dollar and the token. `in-flight`: within what closed while the accounts were read.
 * `unbalanced`: the account's own sums contradict each other. `different`: money or tokens are on one side only.
 */
type Verdict = 'equal' | 'in-flight' | 'unbalanced' | 'different';

export interface Comparison {
  readonly scope: string;
  readonly period: string;
  readonly verdict: Verdict;
  readonly settled: Sums;
  readonly expected: Sums;
  /** Settled less expected. */
  readonly difference: Sums;
  readonly held: Sums;
  readonly requests: number;
  readonly ledgerRequests: number;
  readonly postedCalls: number;
}

export interface Books {
  readonly scopes: readonly ScopeMonth[];
  readonly ledger: readonly LedgerRow[];
  readonly requests: readonly LedgerRequest[];
}

/**
 * One comparison for each account and month in which anything happened. A scope without an account has nothing to
 * compare; but every key has one, so a key that only the ledger knows is a difference.
 */
export function compareBooks({ scopes, ledger, requests }: Books): Comparison[] {
  const byHold = new Map(
    requests.flatMap((request) => holdIdsOf(request.requestId).map((id) => [id, request] as const)),
  );
  const rows = ledgerByScope(ledger);
  const known = new Set(scopes.map(nameOf));
  const strangers = [...rows.values()].filter(
    ({ scope, period }) => scope.startsWith('key/') && !known.has(nameOf({ scope, period })),
  );
  return [
    ...scopes.map((scope) => compareOne(scope, rows.get(nameOf(scope)), byHold)),
    ...strangers.map((row) => compareOne(emptyScope(row), row, byHold)),
  ].filter(hasHappened);
}

interface ScopeRow {
  readonly scope: string;
  readonly period: string;
  readonly requests: number;
  readonly sure: Sums;
  readonly maybe: Sums;
}

function nameOf({ scope, period }: { scope: string; period: string }): string {
  return `${scope} ${period}`;
}

function ledgerByScope(ledger: readonly LedgerRow[]): ReadonlyMap<string, ScopeRow> {
  const rows = new Map<string, ScopeRow>();
  for (const { tenantId, teamId, keyId, period, requests, sure, maybe } of ledger) {
    const scopes: readonly Scope[] = [
      { kind: 'key', keyId },
      { kind: 'team', tenantId, teamId },
      { kind: 'tenant', tenantId },
    ];
    for (const scope of scopes.map(accountKey)) {
      const name = nameOf({ scope, period });
      const sum = rows.get(name) ?? { requests: 0, sure: NO_SUMS, maybe: NO_SUMS };
      rows.set(name, {
        scope,
        period,
        requests: sum.requests + requests,
        sure: addSums(sum.sure, sure),
        maybe: addSums(sum.maybe, maybe),
      });
    }
  }
  return rows;
}

function emptyScope({ scope, period }: ScopeRow): ScopeMonth {
  const committed = { nanoUsd: 0, tokens: 0 };
  return { scope, period, settled: NO_SUMS, requests: 0, committed, open: [], posted: [] };
}

function compareOne(
  month: ScopeMonth,
  row: ScopeRow | undefined,
  byHold: ReadonlyMap<string, LedgerRequest>,
): Comparison {
  const { scope, period, settled, open, posted, requests } = month;
  const aside = [...open, ...posted].flatMap(({ holdId }) => byHold.get(holdId) ?? []);
  const without = (of: 'sure' | 'maybe') =>
    aside.reduce((sum, each) => addSums(sum, each[of], -1), row?.[of] ?? NO_SUMS);
  const expected = posted.reduce((sum, call) => addSums(sum, call), without('sure'));
  const difference = addSums(settled, expected, -1);
  return {
    ...{ scope, period, settled, expected, difference, requests },
    verdict: verdictOf(month, difference, without('maybe')),
    held: open.reduce((sum, call) => addSums(sum, call), NO_SUMS),
    ledgerRequests: row?.requests ?? 0,
    postedCalls: posted.length,
  };
}

function verdictOf(month: ScopeMonth, difference: Sums, maybe: Sums): Verdict {
  if (!isBalanced(month)) return 'unbalanced';
  if (isZero(difference)) return 'equal';
  const isWithin = (['nanoUsd', 'inputTokens', 'outputTokens'] as const).every(
    (name) => difference[name] >= 0 && difference[name] <= maybe[name],
  );
  return isWithin ? 'in-flight' : 'different';
}

function hasHappened({ settled, expected, held, requests, ledgerRequests }: Comparison): boolean {
  return ![settled, expected, held].every(isZero) || requests > 0 || ledgerRequests > 0;
}
