import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  approveInvoice,
  type InvoiceAnswer,
  type InvoicePorts,
  importInvoice,
  showInvoice,
} from '../../../lambdas/admin/invoices.ts';
import { createLedgerLake, type LedgerLake, USAGE_EVENT } from '../../support/ledger-lake.ts';

const NOON_MS = Date.parse('2026-11-05T12:00:00Z');
const CSV = readFileSync('test/fixtures/invoices/openai-costs.csv', 'utf8');

let lake: LedgerLake;
let files: Map<string, string>;
let ports: InvoicePorts;

beforeEach(async () => {
  lake = createLedgerLake(NOON_MS + 60_000);
  files = new Map();
  ports = {
    athena: { run: (sql) => lake.ask(sql) },
    files: {
      read: async (key) => files.get(key),
      write: async (key, text) => void files.set(key, text),
    },
    open: async () => undefined,
    closedMonths: { through: async () => lake.closedThrough },
    writer: {
      currentPolicy: async () => ({
        version: 1,
        source: '',
        snapshot: {
          version: 1,
          timeZone: 'UTC',
          providers: {
            openai: {
              id: 'openai',
              kind: 'openai',
              baseUrl: 'https://api.openai.com',
              connectTimeoutMs: 1,
              firstByteTimeoutMs: 1,
              idleTimeoutMs: 1,
            },
          },
          models: {},
          teams: {},
          projects: [],
        },
      }),
    },
    clock: { nowMs: () => lake.nowMs },
  };
  // Of 0.955874 dollars the ledger has 0.9: two thirds of one key and one third of another.
  const call = { ...USAGE_EVENT, event_time_ms: NOON_MS, cost_nano_usd: 300_000_000 };
  lake.arrive([
    { ...call, request_id: 'req_1' },
    { ...call, request_id: 'req_2', estimated: true },
    { ...call, request_id: 'req_3', virtual_key_id: 'vk_2', team_id: "o'neill" },
    { ...call, request_id: 'req_4', provider: 'anthropic' },
    { ...call, request_id: 'req_5', event_time_ms: NOON_MS - 86_400_000 },
  ]);
  await lake.write();
});
afterEach(() => lake.close());

const bodyOf = (answer: InvoiceAnswer) => {
  if (answer.kind !== 'done') throw new Error(JSON.stringify(answer));
  return z.looseObject({ invoiceId: z.string() }).parse(answer.body);
};
const imported = async (text = CSV) => bodyOf(await importInvoice(ports, 'openai', text)).invoiceId;
const adjustments = () =>
  lake.ask(`SELECT entry_id, booked_period, period, team_id, virtual_key_id, provider, cost_nano_usd, reason, request_id
    FROM ledger WHERE entry_kind = 'adjustment' ORDER BY booked_at_ms, entry_id`);

describe('an invoice', () => {
  it('is kept with its source, and is the same when it comes again', async () => {
    const answer = await importInvoice(ports, 'openai', CSV);
    expect(answer).toEqual({
      kind: 'done',
      status: 201,
      body: {
        invoiceId: expect.stringMatching(/^[0-9a-f]{16}$/),
        provider: 'openai',
        format: 'openai-costs',
        fromDay: '2026-11-05',
        toDay: '2026-11-06',
        lines: 2,
        ignoredLines: 0,
        usd: '0.955874',
      },
    });
    expect(await importInvoice(ports, 'openai', CSV)).toEqual(answer);
    expect([...files.keys()].map((key) => key.replace(/[0-9a-f]{16}/, 'ID'))).toEqual([
      'invoices/openai/ID.source',
      'invoices/openai/ID.json',
    ]);
  });

  it('is compared by day and key with what the provider served on those days', async () => {
    const shown = bodyOf(await showInvoice(ports, 'openai', await imported()));
    expect(shown).toMatchObject({
      total: {
        invoicedUsd: '0.955874',
        bookedUsd: '0.9',
        adjustedUsd: '0',
        differenceUsd: '0.055874',
        estimatedUsd: '0.3',
        explainedPercent: 94.15,
      },
      days: [
        {
          day: '2026-11-05',
          keys: [
            { teamId: "o'neill", keyId: 'vk_2', bookedUsd: '0.3', tokens: 117 },
            { teamId: 'search', keyId: 'vk_1', bookedUsd: '0.6', tokens: 234 },
          ],
          items: [
            { item: 'gpt-5-mini, input', account: 'proj_abc', usd: '0.06' },
            { item: 'gpt-5-mini, output', account: 'key_abc', usd: '0.895874' },
          ],
        },
        { day: '2026-11-06', invoicedUsd: '0', explainedPercent: 100, keys: [], items: [] },
      ],
      proposals: [
        { day: '2026-11-05', teamId: "o'neill", keyId: 'vk_2', usd: '0.018624667' },
        { day: '2026-11-05', teamId: 'search', keyId: 'vk_1', usd: '0.037249333' },
      ],
      unattributedDays: [],
    });
    expect(await adjustments()).toEqual([]);
  });

  it('is booked on approval, once, and explained whole from then on', async () => {
    const id = await imported();
    const approve = () => approveInvoice(ports, { provider: 'openai', id }, {});
    expect(bodyOf(await approve())).toMatchObject({ adjustments: 2, usd: '0.055874' });
    const booked = await adjustments();
    expect(booked).toEqual([
      [
        `invoice/${id}/2026-11-05/vk_1/web/0`,
        '2026-11',
        '2026-11',
        'search',
        'vk_1',
        'openai',
        '37249333',
        'invoice of openai for 2026-11-05',
        undefined,
      ],
      [
        `invoice/${id}/2026-11-05/vk_2/web/0`,
        '2026-11',
        '2026-11',
        "o'neill",
        'vk_2',
        'openai',
        '18624667',
        'invoice of openai for 2026-11-05',
        undefined,
      ],
    ]);
    expect(bodyOf(await approve())).toMatchObject({ adjustments: 0, usd: '0' });
    expect(bodyOf(await showInvoice(ports, 'openai', id))).toMatchObject({
      total: { adjustedUsd: '0.055874', differenceUsd: '0', explainedPercent: 100 },
      proposals: [],
    });
    expect(await adjustments()).toEqual(booked);
  });

  it('is booked once by two approvals at once', async () => {
    const id = await imported();
    const approve = () => approveInvoice(ports, { provider: 'openai', id }, {});
    await Promise.all([approve(), approve(), approve()]);
    expect(await adjustments()).toHaveLength(2);
  });

  it('books what changed after an approval: late usage, or a later file of the same days', async () => {
    const id = await imported();
    await approveInvoice(ports, { provider: 'openai', id }, {});
    lake.nowMs += 60_000;
    lake.arrive([
      { ...USAGE_EVENT, request_id: 'req_6', event_time_ms: NOON_MS, cost_nano_usd: 1_000 },
    ]);
    await lake.write();
    await approveInvoice(ports, { provider: 'openai', id }, {});
    const later = await imported(CSV.replace(',0.06,', ',0.07,'));
    await approveInvoice(ports, { provider: 'openai', id: later }, {});
    const [[total] = []] = await lake.ask(`SELECT sum(cost_nano_usd) FROM ledger
      WHERE provider = 'openai' AND event_time_ms >= ${NOON_MS}`);
    expect(Number(total)).toBe(965_874_000);
    expect((await adjustments()).map(([entry]) => entry?.split('/').at(-1))).toEqual([
      '0',
      '0',
      '1',
      '1',
      '0',
      '0',
    ]);
  });

  it('is booked in the first open month when its own is closed, and only for the days approved', async () => {
    lake.closedThrough = '2026-11';
    const id = await imported();
    const approve = (days: unknown) => approveInvoice(ports, { provider: 'openai', id }, { days });
    expect(bodyOf(await approve(['2026-11-06']))).toMatchObject({ adjustments: 0 });
    expect(await approve('all')).toMatchObject({ kind: 'refused' });
    await approve(['2026-11-05']);
    expect((await adjustments()).map(([, booked, period]) => [booked, period])).toEqual([
      ['2026-12', '2026-11'],
      ['2026-12', '2026-11'],
    ]);
  });

  it('is refused with the line when it is wrong, and then nothing is kept', async () => {
    expect(await importInvoice(ports, 'openai', CSV.replace('0.06', 'six cents'))).toEqual({
      kind: 'refused',
      problems: [{ line: 2, message: "'six cents' is no amount" }],
    });
    expect(files.size).toBe(0);
  });

  it('is of a provider of the policy, and known', async () => {
    expect(await importInvoice(ports, 'constructor', CSV)).toMatchObject({ kind: 'not found' });
    expect(await showInvoice(ports, 'openai', '0123456789abcdef')).toMatchObject({
      kind: 'not found',
    });
    const approval = approveInvoice(ports, { provider: 'openai', id: '0123456789abcdef' }, {});
    expect(await approval).toMatchObject({ kind: 'not found' });
  });

  it('comes from the inbox of its provider by name, and is refused where there is none', async () => {
    const bytes = Buffer.from(CSV);
    const opened: string[] = [];
    ports = {
      ...ports,
      open: async (key) => {
        opened.push(key);
        if (!key.endsWith('november.csv')) return undefined;
        const slice = async (start: number, end?: number) =>
          Uint8Array.from(bytes.subarray(start, end)).buffer;
        return { byteLength: bytes.length, slice };
      },
    };
    const id = await imported('{"inbox":"2026/november.csv"}');
    expect(opened).toEqual(['invoices/inbox/openai/2026/november.csv']);
    expect(id).toBe(await imported());
    expect(await importInvoice(ports, 'openai', '{"inbox":"other.csv"}')).toEqual({
      kind: 'refused',
      problems: [{ line: null, message: 'there is no file at invoices/inbox/openai/other.csv' }],
    });
  });
});
