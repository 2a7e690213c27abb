/** Runs a job by an EventBridge expression, `rate(5 minutes)` or `cron(0 3 * * ? *)`, in UTC. */
const UNIT_MS: Readonly<Record<string, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};
const MINUTE_MS = 60_000;
const MONTHS = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');
const DAYS = 'SUN MON TUE WED THU FRI SAT'.split(' ');

/** Returns what stops it. */
export function startSchedule(expression: string, run: () => void): () => void {
  const rateMs = rateOf(expression);
  const matches = rateMs === undefined ? cronOf(expression) : undefined;
  // The first full minute comes first; then one look a minute.
  let timer: NodeJS.Timeout;
  const tick = (): void => {
    const nowMs = Date.now();
    timer = setTimeout(tick, matches === undefined ? rateMs : MINUTE_MS - (nowMs % MINUTE_MS));
    timer.unref();
    if (matches === undefined || matches(new Date(nowMs))) run();
  };
  timer = setTimeout(tick, rateMs ?? MINUTE_MS - (Date.now() % MINUTE_MS));
  timer.unref();
  return () => clearTimeout(timer);
}

function rateOf(expression: string): number | undefined {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  return unit === undefined ? undefined : Number(count) * (UNIT_MS[unit] ?? 0);
}

/** Fields: minute, hour, day of month, month, day of week, year. `L`, `W` and `#` are refused. */
export function cronOf(expression: string): (time: Date) => boolean {
  const [, inner] = /^cron\((.+)\)$/.exec(expression) ?? [];
  const fields = inner?.split(/\s+/) ?? [];
  if (fields.length !== 6) throw new Error(`not a schedule: ${expression}`);
  const matchers = fields.map((field) => fieldMatcher(field, expression));
  return (time) => {
    const values = [
      time.getUTCMinutes(),
      time.getUTCHours(),
      time.getUTCDate(),
      time.getUTCMonth() + 1,
      time.getUTCDay() + 1,
      time.getUTCFullYear(),
    ];
    return matchers.every((matches, index) => matches(values[index] ?? 0));
  };
}

function fieldMatcher(field: string, expression: string): (value: number) => boolean {
  const parts = field.split(',').map((part) => {
    const [, range = '', step] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
    if (range === '*' || range === '?') return (value: number) => value % Number(step ?? 1) === 0;
    const [from = Number.NaN, to] = range.split('-').map(numberOf);
    if (Number.isNaN(from) || Number.isNaN(to ?? 0))
      throw new Error(`not a schedule: ${expression}`);
    const last = to ?? (step === undefined ? from : Number.POSITIVE_INFINITY);
    return (value: number) =>
      value >= from && value <= last && (value - from) % Number(step ?? 1) === 0;
  });
  return (value) => parts.some((matches) => matches(value));
}

/** Months and days may be names; Sunday is 1. */
function numberOf(text: string): number {
  const name = text.toUpperCase();
  if (MONTHS.includes(name)) return MONTHS.indexOf(name) + 1;
  if (DAYS.includes(name)) return DAYS.indexOf(name) + 1;
  return Number(text);
}
