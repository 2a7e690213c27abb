import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { bodyReader } from '../../../core/dialects/request-body.ts';
import { GatewayError } from '../../../core/errors.ts';

const schema = z.strictObject({
  model: z.string().check(z.minLength(1)),
  messages: z.array(z.looseObject({ role: z.enum(['user', 'assistant']) })).check(z.minLength(1)),
  n: z.optional(z.nullable(z.int().check(z.minimum(1)))),
  stop: z.optional(z.unknown()),
});
const read = bodyReader(schema);

const names = fc.constantFrom('model', 'messages', 'n', 'stop', 'other', '__proto__', 'toString');
const values = fc.oneof(
  fc.constantFrom('', 'a', null, 0, 1, 1.5, [], [{ role: 'user', x: 1 }], [{ role: 'tool' }]),
  fc.jsonValue({ maxDepth: 2 }),
);
const good = { model: 'a', messages: [{ role: 'user' }] };
const bodies = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.dictionary(names, values),
  fc
    .dictionary(fc.constantFrom('n', 'stop', 'other'), values)
    .map((fields) => ({ ...good, ...fields })),
  fc
    .record({ n: fc.constantFrom(1, 2, null), stop: values })
    .map((fields) => ({ ...good, ...fields })),
);

describe('a body read by the fields that came', () => {
  it('is taken or refused as by the whole schema', () => {
    let taken = 0;
    const check = (body: unknown) => {
      const parsed = schema.safeParse(body);
      if (parsed.success) {
        taken += 1;
        expect(read(body)).toEqual(parsed.data);
      } else expect(() => read(body)).toThrow(GatewayError);
    };
    fc.assert(fc.property(bodies, check), { numRuns: 500 });
    expect(taken).toBeGreaterThan(20);
  });

  it('is refused with the name of the field', () => {
    expect(() => read({ ...good, colour: 1 })).toThrow(/'colour'/);
    expect(() => read({ messages: good.messages })).toThrow(/'model'/);
    expect(() => read({ ...good, n: 0 })).toThrow(/'n'/);
  });
});
