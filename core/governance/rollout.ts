/**
 * What a new policy version has to bring to accounts and key records: only what differs from the versions that may
 * still be in force there. Pure; the admin function takes the steps, in this order, and may stop after any of them.
 */

import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../limits/dimensions.ts';
import { type LimitPlan, planVersionOf } from '../limits/schedule.ts';
import type { CompiledPolicy, KeyDeclaration } from '../policy/compile-policy.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { keyIdOf } from '../tenancy/virtual-key.ts';

export type Step =
  | { readonly kind: 'account'; readonly scope: Scope; readonly limits: LimitPlan }
  /** A declared key: its account, then its record. */
  | { readonly kind: 'key'; readonly secretHash: string; readonly declaration: KeyDeclaration }
  /** A key that the policy declared and declares no more. */
  | { readonly kind: 'revoke'; readonly keyId: string };

type Compiled = Pick<CompiledPolicy, 'accounts' | 'keys'>;

/** Steps from any of the earlier versions to the target; all there are where one of the earlier ones is unknown. */
export function planRollout(earlier: readonly (Compiled | undefined)[], target: Compiled): Step[] {
  const known = earlier.flatMap((each) => (each === undefined ? [] : [outlineOf(each)]));
  const isNew = (of: (outline: Outline) => string | undefined, wanted: string) =>
    known.length < earlier.length || known.some((outline) => of(outline) !== wanted);
  const declared = outlineOf(target).keys;
  const accounts = target.accounts.flatMap(({ scope, limits }): Step[] => {
    const key = accountKey(scope);
    const differs = isNew((outline) => outline.accounts.get(key), planVersionOf(limits));
    return scope.kind !== 'key' && differs ? [{ kind: 'account', scope, limits }] : [];
  });
  const keys = target.keys.flatMap((declaration): Step[] => {
    const { secretHash } = declaration;
    if (secretHash === undefined) return [];
    const differs = isNew(({ keys: of }) => of.get(secretHash), JSON.stringify(declaration));
    return differs ? [{ kind: 'key', secretHash, declaration }] : [];
  });
  const gone = new Set(known.flatMap((outline) => [...outline.keys.keys()]));
  const revoked = [...gone].filter((hash) => !declared.has(hash));
  return [
    ...revoked.map((hash): Step => ({ kind: 'revoke', keyId: keyIdOf(hash) })),
    ...accounts,
    ...keys,
  ];
}

interface Outline {
  readonly accounts: ReadonlyMap<string, string>;
  readonly keys: ReadonlyMap<string, string>;
}

function outlineOf({ accounts, keys }: Compiled): Outline {
  return {
    accounts: new Map(
      accounts.map(({ scope, limits }) => [accountKey(scope), planVersionOf(limits)]),
    ),
    keys: new Map(
      keys.flatMap((declaration) =>
        declaration.secretHash === undefined
          ? []
          : [[declaration.secretHash, JSON.stringify(declaration)] as const],
      ),
    ),
  };
}

/** A quota or a budget that the target sets lower than before, or for the first time. */
export interface Lowered {
  readonly scope: Scope;
  readonly limits: readonly { readonly dimension: Dimension; readonly limit: number }[];
}

export function loweredLimits(before: Compiled, target: Compiled): Lowered[] {
  const earlier = new Map(before.accounts.map(({ scope, limits }) => [accountKey(scope), limits]));
  return target.accounts.flatMap(({ scope, limits }) => {
    const old = earlier.get(accountKey(scope)) ?? {};
    const lowered = PERIODS.flatMap((dimension) => {
      const limit = limits[dimension];
      return limit !== undefined && limit < (old[dimension] ?? Number.POSITIVE_INFINITY)
        ? [{ dimension, limit }]
        : [];
    });
    return lowered.length === 0 ? [] : [{ scope, limits: lowered }];
  });
}

/** Rates free themselves within a minute; what a period has spent stays spent. */
const PERIODS = DIMENSION_NAMES.filter((dimension) =>
  ['day', 'month'].includes(DIMENSIONS[dimension].window),
);
