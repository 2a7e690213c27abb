/**
 * What detectors give: a finding says what is the case for one subject at one moment. Whether anybody is told is decided
 * by core/alerts/incidents.ts, which knows what was told before.
 */
import {
  DETECTORS,
  type DetectorKind,
  type Overrides,
  type Severity,
  thresholdOf,
} from './thresholds.ts';

/** Whom it is about; the labels that people filter by. */
export interface Labels {
  readonly tenant?: string | undefined;
  readonly team?: string | undefined;
  readonly project?: string | undefined;
  readonly key?: string | undefined;
  readonly tier?: string | undefined;
  readonly feature?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
}

export interface Finding {
  readonly kind: DetectorKind;
  readonly labels: Labels;
  /** Below the threshold and not yet below its end: keeps an incident open and opens none. */
  readonly isLingering: boolean;
  readonly severity: Severity;
  readonly numbers: Readonly<Record<string, number>>;
  /** One sentence without the names, which the labels have. */
  readonly summary: string;
}

interface Measured {
  readonly kind: DetectorKind;
  /** Of the view; `say` may name more. */
  readonly labels: Labels;
  readonly overrides: Overrides;
  /** In the detector's unit. */
  readonly value: number;
  /** Asked only when the value is worth it, which it nearly never is. */
  readonly say: () => Pick<Finding, 'numbers' | 'summary'> & Partial<Pick<Finding, 'labels'>>;
}

/** No finding where the value is below the detector's end, or the detector is off. */
export function findingOf({ kind, labels, overrides, value, say }: Measured): Finding[] {
  const threshold = thresholdOf(kind, overrides);
  if (threshold === undefined || !(value >= threshold.ends)) return [];
  const isLingering = value < threshold.opens;
  return [
    { kind, labels, isLingering, severity: severityOf(kind, value / threshold.opens), ...say() },
  ];
}

const WORSE: Readonly<Record<Severity, Severity>> = {
  info: 'warning',
  warning: 'critical',
  critical: 'critical',
};

/** One step up where the value is three times what opens an incident. */
const FAR_ABOVE = 3;

function severityOf(kind: DetectorKind, timesThreshold: number): Severity {
  const { severity } = DETECTORS[kind];
  return timesThreshold >= FAR_ABOVE ? WORSE[severity] : severity;
}

/** The worse of two findings of one detector and subject; an earlier window's where both are alike. */
export function worseOf(first: Finding[], second: Finding[]): Finding[] {
  const [one] = first;
  const [other] = second;
  if (one === undefined || other === undefined) return one === undefined ? second : first;
  if (one.isLingering !== other.isLingering) return one.isLingering ? second : first;
  return RANK[other.severity] > RANK[one.severity] ? second : first;
}

export const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

export function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1000) / 10;
}

/** Two digits after the point are what people read. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
