/**
 * Of a report that is too large to be kept in memory, the records that may be about Amazon Bedrock. What is passed over
 * leaves its line feeds, so that a refusal names the line of the file. Any other text is kept as it is.
 */
export interface RecordFilter {
  /** The next piece of the text, wherever it was cut. Throws {@link TooLarge}. */
  push(text: string): void;
  end(): { readonly text: string; readonly passedOver: number };
}

export class TooLarge extends Error {}

/** Far more than a month of one company, and little of the function's memory. */
const MAX_KEPT = 16_000_000;

export function createRecordFilter(): RecordFilter {
  const kept: string[] = [];
  let size = 0;
  let pending = '';
  let isQuoted = false;
  let isReport: boolean | undefined;
  let passedOver = 0;
  let emptyLines = 0;

  function keep(text: string): void {
    size += text.length + emptyLines;
    if (size > MAX_KEPT) throw new TooLarge(`more than ${MAX_KEPT} characters`);
    kept.push('\n'.repeat(emptyLines), text);
    emptyLines = 0;
  }

  function take(record: string): void {
    const isHeader = isReport === undefined;
    isReport ??= record.includes('line_item_');
    if (isHeader || !isReport || /bedrock/i.test(record)) keep(record);
    else {
      passedOver += record.trim() === '' ? 0 : 1;
      emptyLines += record.split('\n').length - 1;
    }
  }

  return {
    push(text) {
      for (const line of text.split(/(?<=\n)/)) {
        pending += line;
        if (pending.length > MAX_KEPT) throw new TooLarge(`a record of more than ${MAX_KEPT}`);
        // Two quotation marks within a cell are one of its text, so they change nothing.
        if (line.split('"').length % 2 === 0) isQuoted = !isQuoted;
        if (isQuoted || !line.endsWith('\n')) continue;
        take(pending);
        pending = '';
      }
    },
    end() {
      if (pending !== '') take(pending);
      return { text: kept.join(''), passedOver };
    },
  };
}
