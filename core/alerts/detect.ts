/**
 * All detectors that look at rollups. Adding one is a file in detectors/, a row in thresholds.ts with its reason, its numbers
 * in event-schema.ts, a section in docs/runbook.md, and its name here.
 */
import { books } from './detectors/books.ts';
import { denialStorm } from './detectors/denial-storm.ts';
import { errorRate } from './detectors/error-rate.ts';
import { expensiveModel } from './detectors/expensive-model.ts';
import { featureShare } from './detectors/feature-share.ts';
import { poolHeadroom } from './detectors/pool-headroom.ts';
import { premiumSwitch } from './detectors/premium-switch.ts';
import { retryRate } from './detectors/retry-rate.ts';
import { shareDoubled } from './detectors/share-doubled.ts';
import { firstToken, latency } from './detectors/slowness.ts';
import { spike } from './detectors/spike.ts';
import type { Finding } from './finding.ts';
import type { TeamView, WholeView } from './view.ts';

export function detectTeam(view: TeamView): Finding[] {
  return [spike, denialStorm, premiumSwitch, expensiveModel, featureShare, shareDoubled].flatMap(
    (detector) => detector(view),
  );
}

/** Of a tenant; and of a provider pool, which has headroom besides. */
export function detectWhole(view: WholeView): Finding[] {
  return [errorRate, latency, firstToken, retryRate, books, poolHeadroom].flatMap((detector) =>
    detector(view),
  );
}
