import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInvoice } from '../../../core/invoices/parse-invoice.ts';
import { createRecordFilter } from '../../../core/invoices/record-filter.ts';
import { readInbox } from '../../../lambdas/admin/read-inbox.ts';
import { type LocalObjects, openLocalObjects } from '../../support/local-objects.ts';

const CSV = readFileSync('test/fixtures/invoices/aws-cost-and-usage.csv', 'utf8');

let objects: LocalObjects;
beforeAll(async () => {
  objects = await openLocalObjects();
});
afterAll(() => objects.close());

async function read(body: string | Uint8Array, isOver = () => false) {
  await objects.put('invoices/inbox/aws/report', { body, contentType: 'text/plain' });
  const object = await objects.open('invoices/inbox/aws/report');
  if (object === undefined) throw new Error('not there');
  return readInbox(object, isOver);
}

async function invoiceIn(body: string | Uint8Array) {
  const found = await read(body);
  return found.kind === 'refused' ? found : parseInvoice(found.text);
}

/** The fixture with so many lines of other services behind its header. */
function withOthers(count: number): string {
  const [header = '', ...lines] = CSV.split('\n');
  const cells = header
    .split(',')
    .map((name) => (name.includes('product_code') ? 'AmazonEC2' : 'x'));
  return [header, `${cells.join(',')}\n`.repeat(count).trimEnd(), ...lines].join('\n');
}

describe('a report in the inbox', () => {
  it('is the same invoice plain and packed, however many lines are about something else', async () => {
    const whole = parseInvoice(CSV);
    if (whole.kind === 'refused') throw new Error('the fixture is refused');
    const large = withOthers(300_000);
    expect(large.length).toBeGreaterThan(9_000_000);
    for (const body of [large, gzipSync(large)]) {
      const found = await read(body);
      if (found.kind === 'refused') throw new Error(JSON.stringify(found));
      expect(found.passedOver).toBeGreaterThanOrEqual(300_000);
      expect(found.text.length).toBeLessThan(400_000);
      expect(parseInvoice(found.text)).toMatchObject({
        fromDay: whole.fromDay,
        toDay: whole.toDay,
        lines: whole.lines,
      });
    }
  });

  it('is refused with the line of the file, whatever was passed over before it', async () => {
    const body = withOthers(1_000).replaceAll('USD', 'EUR');
    expect(await invoiceIn(body)).toMatchObject({
      kind: 'refused',
      problems: expect.arrayContaining([
        { line: 1_002, message: "the currency is 'EUR', not USD" },
      ]),
    });
  });

  it('is read in Parquet, with its own times and numbers', async () => {
    const start = new Date('2026-11-05T00:00:00Z');
    const column = (name: string, data: string[]) => ({ name, type: 'STRING' as const, data });
    const file = parquetWriteBuffer({
      rowGroupSize: 2,
      columnData: [
        column('line_item_product_code', ['AmazonEC2', 'AmazonBedrock', 'AmazonBedrock']),
        column('line_item_line_item_type', ['Usage', 'Usage', 'Credit']),
        column('line_item_usage_type', ['box', 'tokens "in"', 'tokens']),
        column('line_item_currency_code', ['USD', 'USD', 'USD']),
        column('something_else', ['a', 'b', 'c']),
        { name: 'line_item_usage_start_date', type: 'TIMESTAMP', data: [start, start, start] },
        { name: 'line_item_unblended_cost', type: 'DOUBLE', data: [9, 0.1 + 0.2, -1.5e-7] },
      ],
    });
    expect(await invoiceIn(new Uint8Array(file))).toMatchObject({
      kind: 'invoice',
      fromDay: '2026-11-05',
      lines: [
        { day: '2026-11-05', nanoUsd: 300_000_000, item: 'tokens "in"' },
        { day: '2026-11-05', nanoUsd: -150, item: 'tokens' },
      ],
    });
  });

  it.each([
    ['cut short', gzipSync(CSV).subarray(0, 200)],
    ['Parquet without an end', Buffer.from('PAR1 and nothing')],
    ['one endless record', gzipSync('"'.padEnd(17_000_000, 'x'))],
  ])('%s is refused as a file', async (_what, body) => {
    expect(await read(body)).toMatchObject({
      kind: 'refused',
      problems: [{ line: null, message: expect.stringContaining('the file cannot be read') }],
    });
  });

  it('is given up when it takes too long', async () => {
    expect(await read(CSV, () => true)).toMatchObject({ kind: 'refused' });
  });

  it('is the same wherever its text is cut', () => {
    const text = `line_item_a,b\nx,"two\nlines ""of"" bedrock"\ny,"other\nlines"\r\nbedrock,1`;
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const filter = createRecordFilter();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        for (const [index, edge] of edges.slice(1).entries())
          filter.push(text.slice(edges[index], edge));
        expect(filter.end()).toEqual({
          text: `line_item_a,b\nx,"two\nlines ""of"" bedrock"\n\n\nbedrock,1`,
          passedOver: 1,
        });
      }),
    );
  });
});
