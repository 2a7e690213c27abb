import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedact } from '../../../core/traces/redact.ts';

const redact = createRedact();

describe('redaction', () => {
  it.each([
    ['an e-mail address', 'write to ann.lee+x@mail.example.co.uk now', 'write to [email] now'],
    [
      'an address whose @ is an escape',
      String.raw`{"to":"ann\u0040example.com"}`,
      '{"to":"[email]"}',
    ],
    ['a phone number', 'call +49 (0)30 1234-5678, please', 'call [phone], please'],
    ['a phone number of the United States', 'or (555) 123-4567.', 'or [phone].'],
    ['a card number', 'card 4111 1111 1111 1111 exp', 'card [card] exp'],
    ['a card number before a number', '4111-1111-1111-1111 12', '[card] 12'],
    ['a card number without gaps', '"5555555555554444"', '"[card]"'],
    ['a key of ours', 'tg_0123456789abcdefghijABCDEFGHIJ', '[key]'],
    ['a key of OpenAI', 'use sk-proj-abcdefghijklmnopqrst.', 'use [key].'],
    ['a key of AWS', 'id=AKIAIOSFODNN7EXAMPLE;', 'id=[key];'],
    ['a token', 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!', 'Bearer [jwt]!'],
    ['a token that was cut', 'eyJhbGciOiJIUzI1NiJ9.eyJzd', '[jwt]'],
    ['an IBAN', 'to DE89 3704 0044 0532 0130 00.', 'to [iban].'],
    ['an IBAN before a word', 'GB29NWBK60161331926819 REF', '[iban] REF'],
  ])('takes out %s', (_what, text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it.each([
    'The sum of 1234567890123456 and 2 is 1234567890123458.',
    'Version 1.2.3 of 2026-11-21T10:00:00Z, pi is 3.14159265358979',
    'req_0123456789abcdefghijkl and vk_0123456789ab',
    'IP 192.168.100.200, 100,000,000 rows',
    'ABCD1234EFGH5678IJKL is no account',
  ])('leaves %j', (text) => {
    expect(redact(text)).toBe(text);
  });

  it("takes out the tenant's own patterns before the usual ones", () => {
    const own = createRedact(['EMP-######', 'case @@## (x.y)']);
    expect(own('emp-123456 EMP-12345 Case ab12 (x.y) case ab12 (xzy)')).toBe(
      '[custom] EMP-12345 [custom] case ab12 (xzy)',
    );
  });

  it('finds an address wherever it stands', () => {
    const word = fc.string({ maxLength: 40 });
    fc.assert(
      fc.property(word, word, (before, after) => {
        expect(redact(`${before} ann@example.com ${after}`)).not.toContain('ann@example.com');
      }),
    );
  });

  it.each([
    ['letters', 'a'],
    ['digits', '1'],
    ['digits with gaps', '1 '],
    ['addresses that never end', 'a@a.'],
    ['tokens', 'eyJaaaaaaaa.'],
    ['account numbers', 'DE89 3704 '],
    ['pluses', '+1 ('],
  ])('takes a time in proportion to the text, for %s without an end', (_what, piece) => {
    const own = createRedact(Array.from({ length: 20 }, (_, i) => `a1@#${i}`.padEnd(64, '@')));
    const text = piece.repeat(Math.ceil(500_000 / piece.length));
    const startMs = performance.now();
    own(text);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
