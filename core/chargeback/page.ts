/** The frame and the tables of pages that are mailed and opened in a browser: styles inline, no scripts, nothing fetched. */

export interface PageParts {
  readonly title: string;
  readonly subtitle: string;
  /** A large figure and what it is. */
  readonly figures: readonly { readonly value: string; readonly label: string }[];
  /** HTML, in order. */
  readonly sections: readonly string[];
  readonly footer: string;
}

const FONT = 'font-family:Helvetica,Arial,sans-serif;color:#1f2933';

export function page({ title, subtitle, figures, sections, footer }: PageParts): string {
  const cells = figures.map(
    ({ value, label }) =>
      `<td style="padding:12px 16px 12px 0;vertical-align:top"><div style="font-size:26px;font-weight:bold">${escapeHtml(value)}</div><div style="font-size:12px;color:#52606d">${escapeHtml(label)}</div></td>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light"><title>${escapeHtml(title)}</title></head>
<body style="margin:0;padding:24px 8px;background:#f5f7fa;${FONT}">
<table role="presentation" align="center" cellspacing="0" cellpadding="0" style="width:100%;max-width:720px;margin:0 auto;background:#ffffff;border:1px solid #e4e7eb;border-radius:8px"><tr><td style="padding:24px 20px">
<h1 style="margin:0;font-size:22px">${escapeHtml(title)}</h1>
<p style="margin:6px 0 8px;font-size:13px;color:#52606d">${escapeHtml(subtitle)}</p>
<table role="presentation" cellspacing="0" cellpadding="0"><tr>${cells.join('')}</tr></table>
${sections.join('\n')}
<p style="margin:28px 0 0;padding-top:12px;border-top:1px solid #e4e7eb;font-size:12px;color:#52606d">${escapeHtml(footer)}</p>
</td></tr></table>
</body>
</html>
`;
}

export function section(heading: string, html: string): string {
  return `<h2 style="margin:28px 0 10px;font-size:16px">${escapeHtml(heading)}</h2>\n${html}`;
}

export interface TableColumn {
  readonly name: string;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
}

/** Cells are HTML. The last row is set apart where it is a total. */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  { hasTotal = false } = {},
): string {
  const cellStyle = ({ isNumber }: TableColumn) =>
    isNumber === true
      ? 'padding:6px 0 6px 10px;text-align:right;vertical-align:top;'
      : 'padding:6px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere;';
  const head = columns.map(
    (column) =>
      `<th style="${cellStyle(column)}border-bottom:2px solid #cbd2d9;font-size:12px;color:#52606d">${escapeHtml(column.name)}</th>`,
  );
  const body = rows.map((row, index) => {
    const isTotal = hasTotal && index === rows.length - 1;
    const cells = columns.map((column, at) => {
      const style = `${cellStyle(column)}border-bottom:1px solid #e4e7eb;${isTotal ? 'font-weight:bold' : ''}`;
      return `<td style="${style}">${row[at] ?? ''}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table cellspacing="0" cellpadding="0" style="width:100%;border-collapse:collapse;font-size:13px"><tr>${head.join('')}</tr>
${body.join('\n')}
</table>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
