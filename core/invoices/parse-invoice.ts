/** A file, whichever provider it came from: its own form says what it is. */
import { anthropicCostReport } from './anthropic-cost-report.ts';
import { awsCostAndUsage } from './aws-cost-and-usage.ts';
import { brokenAt } from './broken-json.ts';
import { gpuHours } from './gpu-hours.ts';
import { type Invoice, type RefusedInvoice, refused } from './invoice.ts';
import { openAiCosts, openAiCostsCsv } from './openai-costs.ts';

export function parseInvoice(text: string): Invoice | RefusedInvoice {
  const start = text.replace(/^\uFEFF/, '').trimStart();
  if (start === '') return refused([{ line: null, message: 'the file is empty' }]);
  return /^[[{]/.test(start) ? parseJson(text) : parseTable(text, start);
}

function parseJson(text: string): Invoice | RefusedInvoice {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    const line = text.slice(0, brokenAt(text.replace(/^\uFEFF/, ''))).split('\n').length;
    return refused([{ line, message: 'the file is not JSON' }]);
  }
  if (/"starting_at"/.test(text)) return anthropicCostReport(json, linesOf(text, '"starting_at"'));
  if (/"start_time"/.test(text)) return openAiCosts(json, linesOf(text, '"start_time"'));
  return refused([
    { line: null, message: "the file is neither OpenAI's costs nor Anthropic's cost report" },
  ]);
}

function parseTable(text: string, start: string): Invoice | RefusedInvoice {
  const header = start.slice(0, start.search(/\r|\n|$/));
  if (header.includes('amount_value')) return openAiCostsCsv(text);
  if (header.includes('line_item_')) return awsCostAndUsage(text);
  if (header.includes('gpu_hours')) return gpuHours(text);
  const message =
    "the first line is the header of none of: OpenAI's costs, AWS's cost and usage report, GPU hours";
  return refused([{ line: 1, message }]);
}

/** Line of the nth bucket of all pages, by a field that every bucket has once. */
function linesOf(text: string, field: string): (bucket: number) => number | null {
  return (bucket) => {
    let at = -1;
    for (let count = 0; count <= bucket; count += 1) {
      at = text.indexOf(field, at + 1);
      if (at === -1) return null;
    }
    return text.slice(0, at).split('\n').length;
  };
}
