/**
 * What a new policy version has to bring to accounts and key records: only what differs from the versions that may
 * still be in force there. Pure; the admin function takes the steps, in this order, and may stop after any of them.
 */
import type { PolicySnapshot } from '../catalog/snapshot.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../limits/dimensions.ts';
import { type LimitPlan, planVersionOf } from '../limits/schedule.ts';
import type { CompiledPolicy, KeyDeclaration } from '../policy/compile-policy.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { keyIdOf } from '../tenancy/virtual-key.ts';

/** A declared key: its account, then its record. */
export interface KeyStep {
  readonly kind: 'key';
  readonly keyId: string;
  /** Absent where tokens stand for the key. */
  readonly keyHash?: string;
  readonly declaration: KeyDeclaration;
}

export type Step =
  | { readonly kind: 'account'; readonly scope: Scope; readonly limits: LimitPlan }
  | KeyStep
  /** A key that the policy declared and declares no more: a secret is revoked for good, a sign-on may come back. */
  | { readonly kind: 'revoke' | 'suspend'; readonly keyId: string };

type Compiled = Pick<CompiledPolicy, 'accounts' | 'keys' | 'ssoKeys'> & {
  readonly snapshot: Pick<PolicySnapshot, 'keyMaxAgeMs'>;
};

/** Steps from any of the earlier versions to the target; all there are where one of the earlier ones is unknown. */
export function planRollout(earlier: readonly (Compiled | undefined)[], target: Compiled): Step[] {
  const known = earlier.flatMap((each) => (each === undefined ? [] : [outlineOf(each)]));
  const isNew = (of: (outline: Outline) => string | undefined, wanted: string) =>
    known.length < earlier.length || known.some((outline) => of(outline) !== wanted);
  const wanted = outlineOf(target);
  const accounts = target.accounts.flatMap(({ scope, limits }): Step[] => {
    const key = accountKey(scope);
    const differs = isNew((outline) => outline.accounts.get(key), planVersionOf(limits));
    return scope.kind !== 'key' && differs ? [{ kind: 'account', scope, limits }] : [];
  });
  const keys = [...wanted.keys.values()].flatMap(({ step, text }) =>
    isNew((outline) => outline.keys.get(step.keyId)?.text, text) ? [step] : [],
  );
  const gone = new Map(known.flatMap((outline) => [...outline.keys]));
  const ended = [...gone].flatMap(([keyId, { step }]): Step[] =>
    wanted.keys.has(keyId)
      ? []
      : [{ kind: step.keyHash === undefined ? 'suspend' : 'revoke', keyId }],
  );
  return [...ended, ...accounts, ...keys];
}

interface Outline {
  readonly accounts: ReadonlyMap<string, string>;
  /** Of all declared keys by their ids, with a text that differs when the record has to be written. */
  readonly keys: ReadonlyMap<string, { readonly step: KeyStep; readonly text: string }>;
}

function outlineOf(compiled: Compiled): Outline {
  const { keyMaxAgeMs } = compiled.snapshot;
  return {
    accounts: new Map(
      compiled.accounts.map(({ scope, limits }) => [accountKey(scope), planVersionOf(limits)]),
    ),
    keys: new Map(
      keyStepsOf(compiled).map((step) => [
        step.keyId,
        { step, text: JSON.stringify([step, keyMaxAgeMs]) },
      ]),
    ),
  };
}

/** Keys whose secrets exist already, and those that have none; the others are made by the keys endpoint. */
function keyStepsOf({ keys, ssoKeys }: Compiled): KeyStep[] {
  return [
    ...keys.flatMap((declaration): KeyStep[] => {
      const { secretHash: keyHash } = declaration;
      return keyHash === undefined
        ? []
        : [{ kind: 'key', keyId: keyIdOf(keyHash), keyHash, declaration }];
    }),
    ...ssoKeys.map(
      (declaration): KeyStep => ({ kind: 'key', keyId: declaration.keyId, declaration }),
    ),
  ];
}

/** A quota or a budget that the target sets lower than before, or for the first time. */
export interface Lowered {
  readonly scope: Scope;
  readonly limits: readonly { readonly dimension: Dimension; readonly limit: number }[];
}

export function loweredLimits(
  before: Pick<Compiled, 'accounts'>,
  target: Pick<Compiled, 'accounts'>,
): Lowered[] {
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
