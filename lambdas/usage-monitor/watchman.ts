/**
 * When which scope is looked at. A batch looks at what it touched, at most once a minute each, and opens incidents; the
 * regular tick looks at what was active in the last ten minutes and at every open incident, and closes what is over.
 */

import type { IncidentStore } from '../../core/alerts/incident-store.ts';
import { labelsOf } from '../../core/alerts/incidents.ts';
import { isWatched, scopeOfTarget, type WatchedScope } from '../../core/alerts/targets.ts';
import type { Clock } from '../../core/clock.ts';
import type { Report } from '../../core/report.ts';
import type { Addition } from '../../core/rollups/fold.ts';
import { subjectKey } from '../../core/rollups/subjects.ts';
import { GRANULARITIES, windowStart } from '../../core/rollups/windows.ts';
import type { Directory } from '../../core/tenancy/authenticate.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';
import type { RollupIndex } from '../adapters/rollup-index.ts';
import type { BudgetAlerts, BudgetOutlook } from './budget-alerts.ts';
import { inParallel } from './in-parallel.ts';
import type { AbsentKinds, Incidents } from './incidents.ts';
import { createPacer } from './pacer.ts';
import type { Watch } from './watch.ts';

export interface WatchmanOptions {
  readonly watch: Watch;
  readonly incidents: Incidents;
  readonly store: Pick<IncidentStore, 'unfinished'>;
  readonly index: Pick<RollupIndex, 'markActive' | 'activeIn'>;
  readonly budgets: Pick<BudgetAlerts, 'outlook'>;
  readonly directory: Pick<Directory, 'policy'>;
  readonly clock: Clock;
  readonly report: Report;
}

export interface Watchman {
  /** What was just added to, and what the batch's budgets come to. */
  afterBatch(additions: readonly Addition[], outlooks: readonly BudgetOutlook[]): Promise<void>;
  tick(): Promise<void>;
}

const PARALLEL = 16;
const LOOK_EVERY_MS = 60_000;
/** Of one batch, whose function ends after a minute; a new environment has everybody to look at. */
const LONGEST_LOOKS_MS = 15_000;
const isBudget: AbsentKinds = (kind) => kind === 'budget-projection';
const isNoBudget: AbsentKinds = (kind) => kind !== 'budget-projection';

export function createWatchman(options: WatchmanOptions): Watchman {
  const isDue = createPacer(options.clock, LOOK_EVERY_MS);
  const isNewlyActive = createPacer(options.clock, GRANULARITIES.fiveMinutes.lengthMs);
  return {
    async afterBatch(additions, outlooks) {
      const untilMs = options.clock.nowMs() + LONGEST_LOOKS_MS;
      const touched = touchedScopes(additions);
      await eachByItself(options, touched.values(), async ({ scope, startMs }) => {
        const target = accountKey(scope);
        if (isNewlyActive(`${target} ${startMs}`)) await options.index.markActive(startMs, target);
        // Out of time it stays due, so that the next batch looks at it: a batch that never ends comes again and again.
        if (options.clock.nowMs() < untilMs && isDue(target)) await look(options, scope, undefined);
      });
      const due = outlooks.filter(({ scope }) => isDue(`budget ${accountKey(scope)}`));
      await eachByItself(options, due.values(), ({ scope, found }) =>
        options.incidents.settle(scope, found),
      );
    },
    async tick() {
      const unfinished = await options.store.unfinished();
      const open = [...unfinished.values()].map(({ incident }) => incident);
      const targets = new Set([
        ...open.map(({ target }) => target),
        ...(await activeTargets(options)),
      ]);
      await eachByItself(options, targets.values(), async (target) => {
        const scope = scopeOfTarget(target);
        if (scope !== undefined && isWatched(scope)) await look(options, scope, isNoBudget);
      });
      const budgets = new Map(
        open.filter(({ kind }) => isBudget(kind)).map((incident) => [incident.target, incident]),
      );
      await eachByItself(options, budgets.values(), async ({ target, labels }) => {
        const scope = scopeOfTarget(target);
        if (scope === undefined) return;
        const known = { ...labels, ...labelsOf(scope) };
        const { found } = await options.budgets.outlook({ scope, labels: known });
        await options.incidents.settle(scope, found, isBudget);
      });
    },
  };
}

async function look(
  { watch, incidents, directory }: WatchmanOptions,
  scope: WatchedScope,
  absent: AbsentKinds | undefined,
): Promise<void> {
  const found = await watch.look(scope, await directory.policy());
  if (found.length > 0 || absent !== undefined) await incidents.settle(scope, found, absent);
}

/** With the latest five-minute window that was added to. */
function touchedScopes(additions: readonly Addition[]) {
  const touched = new Map<string, { readonly scope: WatchedScope; readonly startMs: number }>();
  for (const { subject, granularity, startMs } of additions) {
    if (granularity !== 'fiveMinutes' || !isWatched(subject)) continue;
    const key = subjectKey(subject);
    const before = touched.get(key);
    if (before === undefined || before.startMs < startMs)
      touched.set(key, { scope: subject, startMs });
  }
  return touched;
}

async function activeTargets({ index, clock }: WatchmanOptions): Promise<string[]> {
  const { lengthMs } = GRANULARITIES.fiveMinutes;
  const running = windowStart('fiveMinutes', clock.nowMs());
  const windows = [running, running - lengthMs, running - 2 * lengthMs];
  return (await Promise.all(windows.map((startMs) => index.activeIn(startMs)))).flat();
}

/** One scope that cannot be looked at must not keep the others unseen, nor the batch's sums from being kept. */
async function eachByItself<T>(
  { report }: WatchmanOptions,
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  await inParallel(items, PARALLEL, (item) =>
    work(item).catch((fault: unknown) => report('incidents not checked', fault)),
  );
}
