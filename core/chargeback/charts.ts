/** Charts for pages that are mailed: no scripts and no styles but their own. Every number in them stands in a table, too. */
import type { DaySum } from './month-statement.ts';
import { usdForPeople } from './usd-text.ts';

const WIDTH = 640;
const HEIGHT = 170;
const BASE = 140;
const TOP = 18;
const INK = '#52606d';
const BAR = '#2f6f9f';

/** A column a day, as inline SVG; empty without days. */
export function dayChart(days: readonly DaySum[], title: string): string {
  const [first] = days;
  if (first === undefined) return '';
  const [highest = 0n] = days.map(({ charged }) => charged).toSorted((a, b) => (a < b ? 1 : -1));
  const step = WIDTH / days.length;
  const columns = days.map(({ day, charged }, index) => {
    const height =
      highest > 0n && charged > 0n ? Number((charged * BigInt(BASE - TOP)) / highest) : 0;
    const place = `x="${(index * step + step * 0.15).toFixed(1)}" y="${BASE - height}" width="${(step * 0.7).toFixed(1)}" height="${height}"`;
    return `<rect ${place} rx="2" fill="${BAR}"><title>${day}: ${usdForPeople(charged)}</title></rect>`;
  });
  // So many names fit beside each other.
  const labels = days.flatMap(({ day }, index) =>
    index % Math.ceil(days.length / 8) === 0
      ? `<text x="${((index + 0.5) * step).toFixed(1)}" y="${BASE + 18}" text-anchor="middle">${day.slice(5)}</text>`
      : [],
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${title}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="100%" style="display:block;max-width:${WIDTH}px;height:auto" font-family="Helvetica,Arial,sans-serif" font-size="11" fill="${INK}">
<title>${title}</title>
<line x1="0" y1="${TOP}" x2="${WIDTH}" y2="${TOP}" stroke="#e4e7eb" stroke-dasharray="3 3"/><text x="0" y="${TOP - 6}">${usdForPeople(highest)}</text>
<line x1="0" y1="${BASE}" x2="${WIDTH}" y2="${BASE}" stroke="#9aa5b1"/>
${columns.join('\n')}
${labels.join('')}
</svg>`;
}

/** A share of a whole as table cells, which every mail client shows. */
export function shareBar(part: bigint, whole: bigint): string {
  const percent = whole > 0n && part > 0n ? Number((part * 100n) / whole) : 0;
  const filled = `<td style="width:${percent}%;background:${BAR};height:8px;padding:0;font-size:0;line-height:0">&nbsp;</td>`;
  const rest = `<td style="background:#e4e7eb;height:8px;padding:0;font-size:0;line-height:0">&nbsp;</td>`;
  return `<table role="presentation" cellspacing="0" cellpadding="0" style="width:100%;border-collapse:collapse"><tr>${percent > 0 ? filled : ''}${percent < 100 ? rest : ''}</tr></table>`;
}
