import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { TraceStore } from '../../../core/catalog/snapshot.ts';
import { newRequestId } from '../../../core/ids.ts';
import { isCold, MAX_TEXT, traceKey, traceObjects } from '../../../core/traces/trace-record.ts';
import { USAGE_EVENT } from '../../support/ledger-lake.ts';

const full: TraceStore = { mode: 'full', coldPercent: 5 };
const recordSchema = z.looseObject({
  request: z.unknown(),
  answer: z.unknown(),
  is_truncated: z.boolean(),
});

function record(request: unknown, answer: unknown = {}, store = full) {
  const bytes = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const [object] = traceObjects(store, {
    event: USAGE_EVENT,
    request: bytes(request),
    answer: { bytes: bytes(answer), isStream: false, isCut: false },
  });
  return { ...recordSchema.parse(JSON.parse(object?.body ?? '')), size: object?.body.length ?? 0 };
}

describe('the record of a call', () => {
  it('keeps the shape of prompt and answer, and redacts every text in them, names of fields too', () => {
    const prompt = {
      messages: [{ content: 'I am ann@example.com', n: 4111111111111111, 'bob@example.com': true }],
    };
    expect(record(prompt, { text: 'sk-abcdefghijklmnopqrstuv', n: 7, none: null })).toMatchObject({
      request: { messages: [{ content: 'I am [email]', n: '[card]', '[email]': true }] },
      answer: { text: '[key]', n: 7, none: null },
      is_truncated: false,
    });
  });

  it("redacts the tenant's own patterns", () => {
    const store = { ...full, redact: ['EMP-######'] };
    expect(record({ text: 'EMP-123456' }, {}, store).request).toEqual({ text: '[custom]' });
  });

  it('names pictures and files by their size', () => {
    const data = Buffer.alloc(3_000, 7).toString('base64');
    expect(record({ url: `data:image/png;base64,${data}`, raw: data }).request).toEqual({
      url: `[data of ${data.length + 22} characters]`,
      raw: `[data of ${data.length} characters]`,
    });
  });

  it('is bounded, says that it was cut, and shows no half of what it redacts', () => {
    const words = 'word '.repeat(MAX_TEXT / 5 - 3);
    const kept = record({
      first: `${words}ann@example.com and more ${'x'.repeat(2_000)}`,
      second: 'not here',
    });
    expect(kept.is_truncated).toBe(true);
    expect(kept.size).toBeLessThan(MAX_TEXT + 5_000);
    expect(JSON.stringify(kept.request)).not.toContain('ann@');
    expect(JSON.stringify(kept.request)).not.toContain('not here');
  });

  it.each([
    ['nothings', Array.from({ length: 400_000 }, () => null)],
    ['empty objects', Array.from({ length: 400_000 }, () => ({}))],
    ['short names', Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`n${i}`, true]))],
  ])('is bounded for a prompt of %s', (_what, prompt) => {
    const kept = record(prompt);
    expect(kept.is_truncated).toBe(true);
    expect(kept.size).toBeLessThan(2 * MAX_TEXT);
  });

  it('takes what is no JSON as one text, and what is deep as far as it goes', () => {
    expect(record('{"to": "ann@example.com', 'plain').request).toBe('{"to": "[email]');
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    expect(record(deep).is_truncated).toBe(true);
  });

  it("lies under its tenant's folder, which no other tenant's name reaches", () => {
    expect(traceKey('hot/', 'acme', 'req_1')).toBe('hot/acme/req_1.json');
    expect(traceKey('cold/', 'acme/req_1', 'x')).toBe('cold/acme%2Freq_1/x.json');
  });

  it.each([1, 5])(
    'of a call is kept for longer in %i %% of the cases, by its id alone',
    (percent) => {
      const ids = Array.from({ length: 20_000 }, () => newRequestId());
      const share = (ids.filter((id) => isCold(id, percent)).length / ids.length) * 100;
      expect(Math.abs(share - percent)).toBeLessThan(0.8);
      const [first = ''] = ids;
      expect(isCold(first, percent)).toBe(isCold(first, percent));
      const cold = ids.find((id) => isCold(id, percent)) ?? '';
      const objects = traceObjects(
        { ...full, coldPercent: percent },
        {
          event: { ...USAGE_EVENT, request_id: cold },
          request: Buffer.from('{}'),
          answer: { bytes: Buffer.from('{}'), isStream: false, isCut: false },
        },
      );
      expect(objects.map(({ key }) => key)).toEqual([
        `hot/acme/${cold}.json`,
        `cold/acme/${cold}.json`,
      ]);
    },
  );
});
