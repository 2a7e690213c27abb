import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Column, fields, table } from '../../cli/table.ts';

interface Row {
  readonly name: string;
  readonly cost: string;
}
const COLUMNS: readonly Column<Row>[] = [
  { title: 'team', cell: ({ name }) => name },
  { title: 'spent', align: 'right', cell: ({ cost }) => cost },
];

describe('table', () => {
  it('aligns text to the left and money to the right', () => {
    const rows = [
      { name: 'search', cost: '$1,999.50' },
      { name: 'ml', cost: '$2.00' },
    ];
    expect(table(COLUMNS, rows, 'none')).toBe(
      ['team        spent', 'search  $1,999.50', 'ml          $2.00'].join('\n'),
    );
  });

  it('says in a sentence that there is nothing', () => {
    expect(table(COLUMNS, [], 'There are no teams.')).toBe('There are no teams.');
  });

  it('counts cells and not characters', () => {
    const rows = [
      { name: '検索', cost: '$1' },
      { name: 'e\u0301quipe', cost: '$1' },
    ];
    expect(table(COLUMNS, rows, '').split('\n')).toEqual([
      'team    spent',
      '検索       $1',
      'e\u0301quipe     $1',
    ]);
  });

  it('lets no name move the cursor, begin a line or recolour the terminal', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.array(fc.record({ name: text, cost: text }), { minLength: 1 }), (rows) => {
        const lines = table(COLUMNS, rows, 'none').split('\n');
        expect(lines).toHaveLength(rows.length + 1);
        expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
    expect(fields([['owner', '\u001b[2Jann\u202e']])).toBe('owner  \ufffd[2Jann\ufffd');
  });
});

describe('fields', () => {
  it('leaves out what is unknown', () => {
    expect(
      fields([
        ['id', 'a'],
        ['decided by', undefined],
        ['state', 'b'],
      ]),
    ).toBe('id     a\nstate  b');
  });
});
