import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccountWrite } from '../../../core/limits/account-write.ts';
import { updateItemText, updateText } from '../../../lambdas/adapters/account-update.ts';

const NO_CHANGE = { set: [], add: [], remove: [] } as const;
const HOLD: AccountWrite = {
  conditions: [
    { kind: 'equals', path: ['st'], value: 'active' },
    { kind: 'absent', path: ['h', 'one'] },
    { kind: 'fewer-than', path: ['h'], value: 2 },
    {
      kind: 'any',
      of: [
        [
          { kind: 'at-most', path: ['rs6'], value: 0 },
          { kind: 'at-most', path: ['rs7'], value: 9 },
        ],
        [{ kind: 'present', path: ['h', 'other'] }],
      ],
    },
  ],
  set: [
    [['h', 'one'], 'held'],
    [['l'], { rs: 10 }],
  ],
  add: [
    ['rs7', 1],
    ['uM202611', -3],
  ],
  remove: [['rs1'], ['h', 'old']],
};

describe('the text of a write', () => {
  it('is one UpdateItem with a number for each name and value', () => {
    expect(JSON.parse(updateText('accounts', 'team/a', HOLD))).toEqual({
      TableName: 'accounts',
      Key: { pk: { S: 'team/a' } },
      UpdateExpression: 'SET #0.#1 = :0, #2 = :1 ADD #3 :2, #4 :3 REMOVE #5, #0.#6',
      ConditionExpression:
        '#7 = :4 AND attribute_not_exists(#0.#1) AND size(#0) < :5 AND ' +
        '(((attribute_not_exists(#8) OR #8 <= :6) AND (attribute_not_exists(#3) OR #3 <= :7)) OR attribute_exists(#0.#9))',
      ExpressionAttributeNames: {
        ...{ '#0': 'h', '#1': 'one', '#2': 'l', '#3': 'rs7', '#4': 'uM202611', '#5': 'rs1' },
        ...{ '#6': 'old', '#7': 'st', '#8': 'rs6', '#9': 'other' },
      },
      ExpressionAttributeValues: {
        ...{ ':0': { S: 'held' }, ':1': { M: { rs: { N: '10' } } } },
        ...{ ':2': { N: '1' }, ':3': { N: '-3' }, ':4': { S: 'active' } },
        ...{ ':5': { N: '2' }, ':6': { N: '0' }, ':7': { N: '9' } },
      },
    });
  });

  it('asks for no values where it has none', () => {
    const write = { ...NO_CHANGE, conditions: [{ kind: 'any', of: [] }], remove: [['x']] } as const;
    expect(JSON.parse(updateText('accounts', 'a', write))).toEqual({
      TableName: 'accounts',
      Key: { pk: { S: 'a' } },
      ConditionExpression: 'attribute_not_exists(#1)',
      UpdateExpression: 'REMOVE #0',
      ExpressionAttributeNames: { '#0': 'x', '#1': 'pk' },
    });
  });

  it('keeps every name and value as it is', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, text, text, (table, key, id, value) => {
        const write: AccountWrite = {
          ...NO_CHANGE,
          conditions: [{ kind: 'equals', path: ['st'], value }],
          set: [[['h', id], value]],
        };
        const names = { '#0': 'h', ...(id === 'h' ? {} : { '#1': id }) };
        expect(JSON.parse(updateText(table, key, write))).toMatchObject({
          TableName: table,
          Key: { pk: { S: key } },
          ExpressionAttributeNames: id === 'st' ? { '#0': 'h', '#1': 'st' } : names,
          ExpressionAttributeValues: { ':0': { S: value }, ':1': { S: value } },
        });
      }),
    );
  });

  it.each([
    [undefined, { ReturnValuesOnConditionCheckFailure: 'ALL_OLD', ReturnValues: 'ALL_NEW' }],
    ['if-applied', { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }],
    ['always', {}],
  ] as const)('brings back what is read of the item: unread %s', (itemUnread, returned) => {
    const write = itemUnread === undefined ? HOLD : { ...HOLD, itemUnread };
    const alone = JSON.parse(updateText('accounts', 'a', HOLD));
    expect(JSON.parse(updateItemText('accounts', 'a', write))).toEqual({ ...alone, ...returned });
  });
});
