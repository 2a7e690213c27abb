import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brokenAt } from '../../../core/invoices/broken-json.ts';
import { parseDecimal, toNano } from '../../../core/invoices/decimal.ts';
import { parseInvoice } from '../../../core/invoices/parse-invoice.ts';

const read = (name: string) => readFileSync(`test/fixtures/invoices/${name}`, 'utf8');
const problems = (text: string) => {
  const parsed = parseInvoice(text);
  return parsed.kind === 'refused' ? parsed.problems : [];
};

describe('a file after its documentation', () => {
  const openAiLines = [
    { day: '2026-11-05', nanoUsd: 60_000_000, item: 'gpt-5-mini, input', account: 'proj_abc' },
    { day: '2026-11-05', nanoUsd: 895_874_000, item: 'gpt-5-mini, output', account: 'key_abc' },
  ];

  it.each(['openai-costs.json', 'openai-costs.csv'])(
    "is OpenAI's costs, with days of none: %s",
    (file) => {
      expect(parseInvoice(read(file))).toEqual({
        kind: 'invoice',
        format: 'openai-costs',
        fromDay: '2026-11-05',
        toDay: '2026-11-06',
        lines: openAiLines,
        ignored: 0,
      });
    },
  );

  it('is several pages of them in a list', () => {
    const page = JSON.parse(read('openai-costs.json'));
    const pages = [
      { ...page, has_more: true, data: [page.data[0]] },
      { ...page, data: [page.data[1]] },
    ];
    expect(parseInvoice(JSON.stringify(pages))).toMatchObject({ lines: openAiLines });
  });

  it("is Anthropic's cost report, whose amounts are cents", () => {
    expect(parseInvoice(read('anthropic-cost-report.json'))).toMatchObject({
      format: 'anthropic-cost-report',
      fromDay: '2026-11-05',
      toDay: '2026-11-05',
      lines: [
        { nanoUsd: 1_234_567_890, item: 'claude-sonnet-5', account: 'wrkspc_1' },
        { nanoUsd: 20_000_000, item: 'Web Search Usage', account: null },
      ],
    });
  });

  it("is AWS's cost and usage report: all that is Bedrock's, credits too, and neither taxes nor other services", () => {
    expect(parseInvoice(read('aws-cost-and-usage.csv'))).toMatchObject({
      format: 'aws-cost-and-usage',
      lines: [
        { nanoUsd: 72_030_000, item: 'USE1-NovaLite-input-tokens', account: '111111111111' },
        { nanoUsd: 2 },
        { nanoUsd: -10_000_000 },
      ],
      ignored: 2,
    });
  });

  it('is hours of servers of our own', () => {
    expect(parseInvoice(read('gpu-hours.csv'))).toMatchObject({
      format: 'gpu-hours',
      fromDay: '2026-11-05',
      toDay: '2026-11-06',
      lines: [{ nanoUsd: 44_664_000_000 }, { nanoUsd: 6_513_500_000 }],
    });
  });

  it('may begin with a byte order mark and have the line ends of any system', () => {
    for (const end of ['\r\n', '\r'])
      expect(parseInvoice(`\uFEFF${read('gpu-hours.csv').replaceAll('\n', end)}`)).toMatchObject({
        kind: 'invoice',
        lines: [{}, {}],
      });
  });
});

describe('a wrong file is refused', () => {
  const openAi = read('openai-costs.json');
  const openAiCsv = read('openai-costs.csv');
  const anthropic = read('anthropic-cost-report.json');
  const aws = read('aws-cost-and-usage.csv');
  const gpu = read('gpu-hours.csv');
  const swap = (text: string, old: string, by: string) => {
    if (!text.includes(old)) throw new Error(`no ${old}`);
    return text.replace(old, by);
  };

  it.each<[string, string, number | null, RegExp]>([
    ['nothing', ' \n', null, /empty/],
    ['a table of something else', 'a,b\n1,2\n', 1, /header/],
    ['an object of something else', '{"a": 1}', null, /neither/],
    ['JSON cut off', openAi.slice(0, 400), 15, /not JSON/],
    ['JSON with a slip', swap(openAi, '"results": []', '"results": [}'), 31, /not JSON/],
    [
      'OpenAI: a page missing',
      swap(openAi, '"has_more": false', '"has_more": true'),
      null,
      /has_more/,
    ],
    ['OpenAI: another currency', swap(openAi, '"usd"', '"eur"'), 6, /'eur'/],
    ['OpenAI: no amount', swap(openAi, '0.06', '"0,06"'), 6, /'0,06' is no amount/],
    ['OpenAI: a field missing', swap(openAi, '"end_time": 1794009600,', ''), 29, /end_time/],
    ['OpenAI: an hour', swap(openAi, '1794009600', '1793926800'), 29, /one day/],
    [
      'OpenAI: a day twice',
      swap(
        swap(
          openAi,
          '1793923200,\n      "end_time": 1794009600',
          '1793836800,\n      "end_time": 1793923200',
        ),
        '1793836800',
        '1793836800',
      ),
      29,
      /twice/,
    ],
    [
      'OpenAI CSV: a column missing',
      swap(openAiCsv, 'amount_currency', 'currency'),
      1,
      /amount_currency/,
    ],
    ['OpenAI CSV: no amount', swap(openAiCsv, '0.8958740000000000', 'NaN'), 3, /'NaN'/],
    ['OpenAI CSV: a line twice', `${openAiCsv}${openAiCsv.split('\n')[1]}\n`, 5, /repeats line 2/],
    [
      'OpenAI CSV: a cell missing',
      swap(openAiCsv, ',usd,,,"gpt-5-mini, output"', ',usd,,"gpt-5-mini, output"'),
      3,
      /16 cells/,
    ],
    ['OpenAI CSV: a quotation mark open', swap(openAiCsv, 'input"', 'input'), 2, /quotation/],
    [
      'Anthropic: a number for the amount',
      swap(anthropic, '"123.456789"', '123.456789'),
      4,
      /amount/,
    ],
    ['Anthropic: another currency', swap(anthropic, '"USD"', '"EUR"'), 4, /EUR/],
    [
      'Anthropic: a minute',
      swap(anthropic, '2026-11-06T00:00:00Z', '2026-11-05T00:01:00Z'),
      4,
      /one day/,
    ],
    ['AWS: no amount', swap(aws, '0.0000000015', '1e400'), 3, /'1e400'/],
    ['AWS: no day', swap(aws, '2026-11-05T01', '2026-13-05T01'), 3, /'2026-13-05'/],
    ['AWS: another currency', swap(aws, '-0.01,USD', '-0.01,CNY'), 4, /CNY/],
    ['AWS: a line twice', `${aws}${aws.split('\n')[1]}\n`, 7, /repeats line 2/],
    ['AWS: nothing of Bedrock', aws.replace(/bedrock/gi, 'S3'), null, /Bedrock/],
    ['GPU: no day', swap(gpu, '2026-11-06', '6.11.2026'), 3, /no day/],
    ['GPU: a negative hour', swap(gpu, '3.5', '-3.5'), 3, /no amount/],
    ['GPU: a day twice', swap(gpu, '2026-11-06', '2026-11-05'), 3, /repeats line 2/],
  ])('%s', (_name, text, line, message) => {
    const [first] = problems(text);
    expect(first).toEqual({ line, message: expect.stringMatching(message) });
  });

  it('whatever it is, and without a fault', () => {
    const files = [openAi, openAiCsv, anthropic, aws, gpu];
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.nat(),
        fc.nat(200),
        fc.string(),
        (file, at, length, text) => {
          const start = at % file.length;
          const parsed = parseInvoice(file.slice(0, start) + text + file.slice(start + length));
          if (parsed.kind === 'refused') expect(parsed.problems.length).toBeGreaterThan(0);
          else
            expect(parsed.lines.every(({ nanoUsd }) => Number.isSafeInteger(nanoUsd))).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('where JSON breaks', () => {
  it('is nowhere in what is JSON, and found in what is not', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('}', ']', ',', ':', '"', 'x', '1', ''),
        (json, at, text) => {
          const start = at % (json.length + 1);
          const changed = json.slice(0, start) + text + json.slice(start + 1);
          let isJson = true;
          try {
            JSON.parse(changed);
          } catch {
            isJson = false;
          }
          const broken = brokenAt(changed);
          expect(brokenAt(json)).toBe(json.length);
          if (isJson) expect(broken).toBe(changed.length);
          else expect(broken).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('an amount', () => {
  it.each([
    ['0.0000000005', 1],
    ['-0.0000000005', -1],
    ['0.00000000049', 0],
    ['1e-9', 1],
    ['1.5E2', 150_000_000_000],
    ['9000000.000000001', undefined],
    ['9000000', 9_000_000_000_000_000],
    ['.5', undefined],
    ['1_000', undefined],
    ['Infinity', undefined],
    ['', undefined],
  ])('%s is %s nano-dollars', (text, nano) => {
    const decimal = parseDecimal(text);
    expect(decimal === undefined ? undefined : toNano(decimal)).toBe(nano);
  });
});
