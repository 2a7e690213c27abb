/** JSON as others write it: with space, escapes and numbers that JSON.stringify does not make, and names that come twice. */
import * as fc from 'fast-check';

const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r\n  ');
const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', ' ', ':', ',', '{', '}', '[', ']') },
  { weight: 4, arbitrary: fc.constantFrom('\\"', '\\\\', '\\/', '\\n', '\\u0022', '\\u005C') },
  { weight: 2, arbitrary: fc.constantFrom('é', '你', '😀', '\\ud83d\\ude00', '\\ud800', '\u2028') },
);
const text = fc
  .oneof(
    { weight: 4, arbitrary: fc.array(character, { maxLength: 8 }) },
    { weight: 1, arbitrary: fc.array(character, { minLength: 20, maxLength: 60 }) },
  )
  .map((all) => `"${all.join('')}"`);
const number = fc.constantFrom('0', '-0', '12', '1.50', '1E2', '-3e-2', '12345678901234567890');
const scalar = fc.oneof(text, number, fc.constantFrom('true', 'false', 'null'));
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('"a"', '"\\u0061"', '"b"', '"é"', '"__proto__"') },
  { weight: 1, arbitrary: text },
);

function spaced(arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(space, arbitrary, space).map((parts) => parts.join(''));
}

export const { object: jsonObjects } = fc.letrec<{
  value: string;
  list: string;
  object: string;
}>((tie) => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, scalar, tie('list'), tie('object')),
  list: fc
    .tuple(space, fc.array(spaced(tie('value')), { maxLength: 4 }))
    .map(([gap, all]) => `[${all.length === 0 ? gap : all.join(',')}]`),
  object: fc
    .tuple(space, fc.array(fc.tuple(spaced(name), spaced(tie('value'))), { maxLength: 5 }))
    .map(
      ([gap, all]) => `{${all.length === 0 ? gap : all.map((pair) => pair.join(':')).join(',')}}`,
    ),
}));
