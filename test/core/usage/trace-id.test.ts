import { expect, it } from 'vitest';
import { traceIdOf } from '../../../core/usage/trace-id.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

it.each([
  ['a traceparent', `00-${TRACE}-${PARENT}-01`],
  ['one of a later version with more to say', `cc-${TRACE}-${PARENT}-01-what-the-future-will-be`],
])('reads the trace of %s', (_, header) => {
  expect(traceIdOf(header)).toBe(TRACE);
});

it.each([
  undefined,
  '',
  'x',
  `ff-${TRACE}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  `00-${TRACE}-${PARENT}`,
  `00-${TRACE}-${PARENT}-012`,
  `00-${TRACE}'; DROP-${PARENT}-01`,
])('knows no trace of %j', (header) => {
  expect(traceIdOf(header)).toBeUndefined();
});
