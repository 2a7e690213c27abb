import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromAttributes,
  type Plain,
  toAttribute,
} from '../../../lambdas/adapters/attribute-values.ts';

const { value: plain } = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

describe('attribute values', () => {
  it('come back plain from the wire as they were, under any name', () => {
    const item = fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), plain);
    fc.assert(
      fc.property(item, (values) => {
        const attributes = Object.entries(values).map(([name, each]) => [name, toAttribute(each)]);
        const wire: unknown = JSON.parse(JSON.stringify(Object.fromEntries(attributes)));
        const back = fromAttributes(wire) ?? {};
        expect(Object.keys(back).sort()).toEqual(Object.keys(values).sort());
        for (const [name, each] of Object.entries(values))
          expect(Object.getOwnPropertyDescriptor(back, name)?.value).toEqual(each);
      }),
    );
  });

  it('hold bytes, as the SDK gives them and as they come over the wire', () => {
    expect(fromAttributes({ b: { B: 'aGk=' } })).toEqual({ b: Buffer.from('hi') });
    expect(fromAttributes({ b: { B: new Uint8Array([1]) } })).toEqual({ b: new Uint8Array([1]) });
  });

  it('are none where there is no item', () => {
    expect(fromAttributes(undefined)).toBeUndefined();
    expect(fromAttributes(null)).toBeUndefined();
  });

  it.each([{ NS: ['1'] }, { NULL: true }, {}, 'text', null, { L: 'a' }])(
    'of other types are refused: %j',
    (attribute) => {
      expect(() => fromAttributes({ a: attribute })).toThrow('attribute type not used here');
    },
  );
});
