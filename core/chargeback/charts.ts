/** Charts for pages that are mailed: no scripts and no styles but their own. Every number in them stands in a table, too. */
import type { DaySum } from './month-statement.ts';
import { usdForPeople } from './usd-text.ts';

const WIDTH = 640;
const HEIGHT = 122;
const INK = '#52606d';
const BAR = '#2f6f9f';
/** So many names of days fit beside each other on a phone. */
const MOST_LABELS = 8;

/** A column a day; empty without days. Only the columns are drawn: text that is scaled with a drawing is unreadable on a phone. */
export function dayChart(days: readonly DaySum[], title: string): string {
  const [highest] = days.toSorted((a, b) => (a.charged < b.charged ? 1 : -1));
  if (highest === undefined) return '';
  const step = WIDTH / days.length;
  const columns = days.map(({ day, charged }, index) => {
    const isDrawn = highest.charged > 0n && charged > 0n;
    const height = isDrawn ? Number((charged * BigInt(HEIGHT)) / highest.charged) : 0;
    const place = `x="${(index * step + step * 0.15).toFixed(1)}" y="${HEIGHT - height}" width="${(step * 0.7).toFixed(1)}" height="${height}"`;
    return `<rect ${place} fill="${BAR}"><title>${day}: ${usdForPeople(charged)}</title></rect>`;
  });
  return `<p style="margin:0 0 4px;font-size:12px;color:${INK}">${title}, in US dollars. Highest: ${usdForPeople(highest.charged)} on ${highest.day}.</p>
<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${title}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="100%" height="${HEIGHT}" preserveAspectRatio="none" style="display:block;border-top:1px dashed #e4e7eb;border-bottom:1px solid #9aa5b1">
<title>${title}</title>
${columns.join('\n')}
</svg>
${dayLabels(days)}`;
}

/** Month and day under the first column of each group. */
function dayLabels(days: readonly DaySum[]): string {
  const group = Math.ceil(days.length / MOST_LABELS);
  const align = group === 1 ? 'center' : 'left';
  const cells = days.flatMap(({ day }, index) => {
    if (index % group !== 0) return [];
    const width = (Math.min(group, days.length - index) * 100) / days.length;
    return [
      `<td style="width:${width.toFixed(2)}%;padding:4px 0 0;text-align:${align};white-space:nowrap">${day.slice(5)}</td>`,
    ];
  });
  return `<table role="presentation" cellspacing="0" cellpadding="0" style="width:100%;table-layout:fixed;border-collapse:collapse;font-size:11px;color:${INK}"><tr>${cells.join('')}</tr></table>`;
}

/** A share of a whole under its name, as table cells, which every mail client shows. */
export function shareBar(part: bigint, whole: bigint): string {
  const percent = whole > 0n && part > 0n ? Number((part * 100n) / whole) : 0;
  const filled = `<td style="width:${percent}%;background:${BAR};height:6px;padding:0;font-size:0;line-height:0">&nbsp;</td>`;
  const rest = `<td style="background:#e4e7eb;height:6px;padding:0;font-size:0;line-height:0">&nbsp;</td>`;
  return `<table role="presentation" cellspacing="0" cellpadding="0" style="width:100%;max-width:160px;margin-top:4px;border-collapse:collapse"><tr>${percent > 0 ? filled : ''}${percent < 100 ? rest : ''}</tr></table>`;
}
