/**
 * How well detectors find injected incidents, and how often they speak for nothing: the real detectors, baselines and
 * incidents over simulated rollups of many tenants. Every window is looked at when it ends; while an incident is on, and for
 * some tenants always, once a minute as the monitor does.
 */
import { referenceHours, type Usual, usualAt } from '../../../core/alerts/baseline.ts';
import { detectTeam, detectWhole } from '../../../core/alerts/detect.ts';
import {
  afterAbsence,
  afterFinding,
  type Found,
  type Incident,
  keyOfFinding,
  labelsOf,
} from '../../../core/alerts/incidents.ts';
import { momentOfView, RECENT_WINDOWS } from '../../../core/alerts/view.ts';
import { addInto, EMPTY, type Rollup } from '../../../core/rollups/amounts.ts';
import { windowStart } from '../../../core/rollups/windows.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createRandom, type Random } from '../random.ts';
import { INCIDENTS, INJECTED_KINDS, type Injected, type InjectedKind, inject } from './injected.ts';
import {
  BEGIN_MS,
  createTeam,
  expectedTokens,
  gaussian,
  type SimulatedTeam,
  sumRollups,
  type TeamPart,
  teamPart,
  wholeOf,
} from './traffic.ts';

const MINUTE_MS = 60_000;
const WINDOW_MS = 5 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Incidents come when baselines can be there. */
const QUIET_DAYS = 7;
const FOUND_WITHIN_MS = 5 * MINUTE_MS;
/** What an incident leaves behind is not a false alarm: its last window is looked at for two more. */
const AFTERMATH_MS = 20 * MINUTE_MS;

export interface EvaluationOptions {
  readonly tenants: number;
  readonly days: number;
  readonly seed: number;
  /** Tenants that are looked at once a minute all the time. */
  readonly everyMinute: number;
}

/** What adds up over tenants. */
export interface Counts {
  readonly injected: Record<InjectedKind, number>;
  /** Found within five minutes of being what the detector looks for. */
  readonly found: Record<InjectedKind, number>;
  /** Found within five minutes of their begin. */
  readonly foundAtOnce: Record<InjectedKind, number>;
  readonly foundLater: Record<InjectedKind, number>;
  /** Opened for nothing, by detector. */
  readonly falseAlarms: Record<string, number>;
  /** Of them, those of the tenants that are looked at every minute. */
  readonly falseAlarmsWatched: Record<string, number>;
}

export interface Evaluation extends Counts {
  readonly falseAlarmsPerTenantMonth: number;
  /** Of the tenants that are looked at every minute alone. */
  readonly falseAlarmsEveryMinute: number;
}

export function evaluateDetectors(options: EvaluationOptions): Evaluation {
  return evaluationOf(options, [countTenants(options, { part: 0, parts: 1 })]);
}

export function evaluationOf(
  { tenants, days, everyMinute }: EvaluationOptions,
  parts: readonly Counts[],
): Evaluation {
  const months = (of: number) => Math.max(1e-9, (of * days) / 30);
  const sum = parts.reduce((sums, part) => {
    addCounts(sums, part);
    return sums;
  }, noCounts());
  return {
    ...sum,
    falseAlarmsPerTenantMonth: totalOf(sum.falseAlarms) / months(tenants),
    falseAlarmsEveryMinute: totalOf(sum.falseAlarmsWatched) / months(everyMinute),
  };
}

/** Every `parts`-th tenant: each is made of its own seed, so who counts it changes nothing. */
export function countTenants(
  options: EvaluationOptions,
  { part, parts }: { readonly part: number; readonly parts: number },
): Counts {
  const counts = noCounts();
  for (let index = part; index < options.tenants; index += parts) {
    const isWatchedClosely = index < options.everyMinute;
    const tenant = runTenant(options, { index, isWatchedClosely });
    for (const incident of tenant.injected) {
      counts.injected[incident.kind] += 1;
      const first = tenant.opened.find((opened) => isOf(opened, incident));
      if (first === undefined) continue;
      const afterMs = first.sinceMs - incident.fromMs;
      const { isOneAfterMs } = INCIDENTS[incident.kind];
      if (afterMs <= FOUND_WITHIN_MS) counts.foundAtOnce[incident.kind] += 1;
      const isInTime = afterMs <= isOneAfterMs + FOUND_WITHIN_MS;
      (isInTime ? counts.found : counts.foundLater)[incident.kind] += 1;
    }
    for (const { kind } of tenant.opened.filter((opened) => isFalse(opened, tenant.injected))) {
      addInto(counts.falseAlarms, { [kind]: 1 });
      if (isWatchedClosely) addInto(counts.falseAlarmsWatched, { [kind]: 1 });
    }
  }
  return counts;
}

function noCounts(): Counts {
  const [injected, found, foundAtOnce, foundLater] = [zero(), zero(), zero(), zero()];
  return { injected, found, foundAtOnce, foundLater, falseAlarms: {}, falseAlarmsWatched: {} };
}

function addCounts(sums: Counts, part: Counts): void {
  addInto(sums.injected, part.injected);
  addInto(sums.found, part.found);
  addInto(sums.foundAtOnce, part.foundAtOnce);
  addInto(sums.foundLater, part.foundLater);
  addInto(sums.falseAlarms, part.falseAlarms);
  addInto(sums.falseAlarmsWatched, part.falseAlarmsWatched);
}

function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function zero(): Record<InjectedKind, number> {
  return { spike: 0, 'premium-switch': 0, 'noisy-feature': 0, 'denial-storm': 0 };
}

function isOf({ kind, labels, sinceMs }: Incident, incident: Injected): boolean {
  const finders: readonly string[] = INCIDENTS[incident.kind].foundBy;
  const isTheirs = finders.includes(kind) && labels.team === incident.team;
  return isTheirs && sinceMs >= incident.fromMs && sinceMs <= incident.toMs + WINDOW_MS;
}

function isFalse({ sinceMs }: Incident, injected: readonly Injected[]): boolean {
  return !injected.some(({ fromMs, toMs }) => sinceMs >= fromMs && sinceMs <= toMs + AFTERMATH_MS);
}

interface TeamRun {
  readonly team: SimulatedTeam;
  readonly scope: Extract<Scope, { kind: 'team' }>;
  readonly hours: Map<number, Rollup>;
  /** The running window first. */
  parts: TeamPart[];
  usual: Usual | undefined;
  level: number;
}

function runTenant(
  { days, seed }: EvaluationOptions,
  { index, isWatchedClosely }: { readonly index: number; readonly isWatchedClosely: boolean },
) {
  const random = createRandom(seed * 100_003 + index);
  const tenantId = `t${index}`;
  const teams = Array.from({ length: random.between(1, 2) }, (_, at): TeamRun => {
    const team = createTeam(random, `m${at}`);
    const scope = { kind: 'team', tenantId, teamId: team.id } as const;
    return { team, scope, hours: new Map(), parts: [], usual: undefined, level: 1 };
  });
  const injected = plan(random, teams, days);
  const tenantHours = new Map<number, Rollup>();
  const tenantScope = { kind: 'tenant', tenantId } as const;
  const book = incidentBook();
  let recent: Rollup[] = [];
  let usual: Usual | undefined;
  let dayLevel = 1;
  for (let atMs = BEGIN_MS; atMs < BEGIN_MS + days * DAY_MS; atMs += WINDOW_MS) {
    if (atMs % DAY_MS === 0) dayLevel = Math.exp(0.08 * gaussian(random));
    if (atMs % HOUR_MS === 0) {
      usual = usualAt(referenceOf(tenantHours, atMs), atMs);
      for (const run of teams) {
        run.usual = usualAt(referenceOf(run.hours, atMs), atMs);
        run.level = dayLevel * Math.exp(0.1 * gaussian(random));
      }
    }
    const isOn = injected.some(
      ({ fromMs, toMs }) => atMs + WINDOW_MS > fromMs && atMs <= toMs + AFTERMATH_MS,
    );
    const steps = isOn || isWatchedClosely ? 5 : 1;
    for (const run of teams) run.parts = [EMPTY_PART, ...run.parts].slice(0, RECENT_WINDOWS);
    recent = [EMPTY, ...recent].slice(0, RECENT_WINDOWS);
    for (let step = 1; step <= steps; step += 1) {
      const minutes = 5 / steps;
      const fromMs = atMs + (step - 1) * minutes * MINUTE_MS;
      const nowMs = fromMs + minutes * MINUTE_MS;
      for (const run of teams)
        addPart(run, { atMs: fromMs, minutes, level: run.level }, { random, injected });
      const whole = sumRollups(teams.map(({ parts: [part] }) => part?.team ?? EMPTY));
      recent[0] = step === steps ? wholeOf(random, whole) : whole;
      // Looked at just before the minute ends, so that the last minute is of its own window.
      const moment = momentOfView(nowMs - 1);
      const tenant = recent;
      for (const run of teams) {
        const { scope, parts } = run;
        const view = {
          labels: labelsOf(scope),
          overrides: {},
          ...moment,
          recent: parts.map(({ team }) => team),
          usual: run.usual,
        };
        const findings = detectTeam({
          ...view,
          tenant,
          features: byName(parts, 'features'),
          models: byName(parts, 'models'),
          dedicated: new Set(),
        });
        book.settle(scope, findings, nowMs);
      }
      if (step < steps) continue;
      const findings = detectWhole({
        labels: labelsOf(tenantScope),
        overrides: {},
        ...moment,
        recent,
        usual,
      });
      book.settle(tenantScope, findings, nowMs);
    }
    const hour = windowStart('hour', atMs);
    addHour(tenantHours, hour, recent[0] ?? EMPTY);
    for (const { hours, parts } of teams) addHour(hours, hour, parts[0]?.team ?? EMPTY);
  }
  return { injected, opened: book.opened };
}

const EMPTY_PART: TeamPart = { team: EMPTY, features: new Map(), models: new Map() };

/** One incident of each kind, on days apart, at hours when the team works. */
function plan(random: Random, teams: readonly TeamRun[], days: number): Injected[] {
  const room = Math.floor((days - QUIET_DAYS) / INJECTED_KINDS.length);
  if (room < 1) return [];
  return INJECTED_KINDS.map((kind, at) => {
    // A feature of a small team is not what takes most of its tenant's tokens.
    const { team } = kind === 'noisy-feature' ? largestOf(teams) : random.pick(teams);
    const feature = random.pick(team.features).name;
    const firstDay = BEGIN_MS + (QUIET_DAYS + at * room) * DAY_MS;
    const moments = Array.from(
      { length: room * 288 },
      (_, window) => firstDay + window * WINDOW_MS,
    );
    const busy = moments.filter((atMs) => expectedTokens(team, atMs) > 0.5 * team.peakTokens);
    const windowMs = random.pick(busy.length > 0 ? busy : moments);
    return inject(random, kind, { team: team.id, feature, windowMs });
  });
}

function largestOf(teams: readonly TeamRun[]): TeamRun {
  return teams.reduce((largest, run) =>
    run.team.peakTokens > largest.team.peakTokens ? run : largest,
  );
}

function addPart(
  run: TeamRun,
  span: { readonly atMs: number; readonly minutes: number; readonly level: number },
  { random, injected }: { readonly random: Random; readonly injected: readonly Injected[] },
): void {
  const incident = injected.find(
    ({ team, fromMs, toMs }) =>
      team === run.team.id && fromMs < span.atMs + span.minutes * MINUTE_MS && toMs > span.atMs,
  );
  const part = teamPart(run.team, span, { random, incident });
  const before = run.parts[0] ?? EMPTY_PART;
  run.parts[0] = before === EMPTY_PART ? part : joined(before, part);
}

function joined(one: TeamPart, other: TeamPart): TeamPart {
  const both = (a: ReadonlyMap<string, Rollup>, b: ReadonlyMap<string, Rollup>) =>
    new Map(
      [...new Set([...a.keys(), ...b.keys()])].map((name) => [
        name,
        sumRollups([a.get(name) ?? EMPTY, b.get(name) ?? EMPTY]),
      ]),
    );
  return {
    team: sumRollups([one.team, other.team]),
    features: both(one.features, other.features),
    models: both(one.models, other.models),
  };
}

function byName(parts: readonly TeamPart[], what: 'features' | 'models') {
  const names = new Map<string, Rollup[]>();
  for (const part of parts)
    for (const name of part[what].keys())
      if (!names.has(name))
        names.set(
          name,
          parts.map((each) => each[what].get(name) ?? EMPTY),
        );
  return names;
}

function referenceOf(hours: ReadonlyMap<number, Rollup>, atMs: number): Map<number, Rollup> {
  return new Map(
    referenceHours(atMs).flatMap((hour): [number, Rollup][] => {
      const rollup = hours.get(hour);
      return rollup === undefined ? [] : [[hour, rollup]];
    }),
  );
}

function addHour(hours: Map<number, Rollup>, hour: number, rollup: Rollup): void {
  const sums = { ...hours.get(hour) };
  addInto(sums, rollup);
  hours.set(hour, sums);
}

/** The stored incidents of one tenant, with the real transitions. */
function incidentBook() {
  const stored = new Map<string, Incident>();
  const opened: Incident[] = [];
  const keep = (key: string, after: Incident | undefined) => {
    if (after === undefined) return;
    const isNew = after.transitions > (stored.get(key)?.transitions ?? 0);
    if (isNew && after.transition === 'opened') opened.push(after);
    stored.set(key, after);
  };
  return {
    opened,
    settle(scope: Scope, findings: readonly Found['finding'][], nowMs: number): void {
      if (findings.length === 0 && stored.size === 0) return;
      const seen = new Set<string>();
      for (const finding of findings) {
        const key = keyOfFinding(finding, scope);
        seen.add(key);
        keep(key, afterFinding(stored.get(key), { finding, scope, owner: 'ann' }, nowMs));
      }
      for (const [key, incident] of stored)
        if (incident.isOpen && incident.target === accountKey(scope) && !seen.has(key))
          keep(key, afterAbsence(incident, nowMs));
    },
  };
}
