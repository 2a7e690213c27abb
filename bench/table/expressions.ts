/**
 * The expressions that the accounts' adapter writes (lambdas/adapters/dynamo-accounts.ts), read back into the write that they came
 * from, so that core/limits/account-write.ts says what they mean. A text is read once: its names and values are filled in.
 */
import type { AccountWrite, Condition, Path } from '../../core/limits/account-write.ts';

/** Names and values behind the placeholders of one request, in plain form. */
export interface Placeholders {
  readonly names: Readonly<Record<string, unknown>>;
  readonly values: Readonly<Record<string, unknown>>;
}

type Fill<T> = (placeholders: Placeholders) => T;

const conditionsByText = new Map<string, Fill<readonly Condition[]>>();
const changesByText = new Map<string, Fill<Omit<AccountWrite, 'conditions'>>>();

/** Throws SyntaxError for what the adapter never writes. */
export function readWrite(
  { condition, update }: { condition: string; update: string },
  placeholders: Placeholders,
): AccountWrite {
  const conditions = kept(conditionsByText, condition, readConditions)(placeholders);
  return { conditions, ...kept(changesByText, update, readChanges)(placeholders) };
}

function kept<T>(texts: Map<string, T>, text: string, read: (text: string) => T): T {
  const known = texts.get(text) ?? read(text);
  texts.set(text, known);
  return known;
}

const TOKEN = /attribute_not_exists|attribute_exists|size|AND|OR|<=|<|=|[(),]|[#:]\d+|\./g;

function readConditions(text: string): Fill<readonly Condition[]> {
  const tokens = text.match(TOKEN) ?? [];
  const take = (wanted?: string): string => {
    const token = tokens.shift() ?? '';
    if (wanted !== undefined && token !== wanted) throw new SyntaxError(`${wanted} in ${text}`);
    return token;
  };
  const all = (): Fill<readonly Condition[]> => {
    const fills = [one()];
    while (tokens[0] === 'AND') {
      take();
      fills.push(one());
    }
    return (placeholders) => fills.map((fill) => fill(placeholders));
  };
  const any = (): Fill<Condition> => {
    const fills = [all()];
    while (tokens[0] === 'OR') {
      take();
      fills.push(all());
    }
    return (placeholders) => ({ kind: 'any', of: fills.map((fill) => fill(placeholders)) });
  };
  const one = (): Fill<Condition> => {
    if (tokens[0] !== '(') return comparison({ tokens, take });
    take();
    const inner = any();
    take(')');
    return inner;
  };
  return all();
}

interface Reader {
  readonly tokens: string[];
  take(wanted?: string): string;
}

function comparison(reader: Reader): Fill<Condition> {
  const { take } = reader;
  const word = reader.tokens[0];
  if (word === 'attribute_not_exists' || word === 'attribute_exists') {
    take();
    take('(');
    const path = pathOf(reader);
    take(')');
    const kind = word === 'attribute_exists' ? 'present' : 'absent';
    return (placeholders) => ({ kind, path: path(placeholders) });
  }
  if (word === 'size') {
    take();
    take('(');
    const path = pathOf(reader);
    take(')');
    take('<');
    const value = take();
    return (to) => ({ kind: 'fewer-than', path: path(to), value: Number(to.values[value]) });
  }
  const path = pathOf(reader);
  const operator = take();
  const value = take();
  if (operator === '<=')
    return (to) => ({ kind: 'at-most', path: path(to), value: Number(to.values[value]) });
  return (to) => ({ kind: 'equals', path: path(to), value: scalar(to.values[value]) });
}

function pathOf({ tokens, take }: Reader): Fill<Path> {
  const first = take();
  if (tokens[0] !== '.') return ({ names }) => [String(names[first])];
  take();
  const second = take();
  return ({ names }) => [String(names[first]), String(names[second])];
}

function scalar(value: unknown): string | number {
  return typeof value === 'number' ? value : String(value);
}

const CLAUSE = /(SET|ADD|REMOVE) (.*?)(?= (?:SET|ADD|REMOVE) |$)/g;

function readChanges(text: string): Fill<Omit<AccountWrite, 'conditions'>> {
  const parts: Record<string, readonly string[]> = {};
  for (const [, keyword = '', list = ''] of text.matchAll(CLAUSE))
    parts[keyword] = list.split(', ');
  const path = (place: string): Fill<Path> => pathOf(readerOf(place));
  const set = (parts['SET'] ?? []).map((part) => {
    const [place = '', value = ''] = part.split(' = ');
    return { path: path(place), value };
  });
  const add = (parts['ADD'] ?? []).map((part) => part.split(' '));
  const remove = (parts['REMOVE'] ?? []).map(path);
  return (to) => ({
    set: set.map((each) => [each.path(to), attributeValue(to.values[each.value])]),
    add: add.map(([name = '', value = '']) => [String(to.names[name]), Number(to.values[value])]),
    remove: remove.map((fill) => fill(to)),
  });
}

function readerOf(text: string): Reader {
  const tokens = text.match(TOKEN) ?? [];
  return { tokens, take: () => tokens.shift() ?? '' };
}

type AttributeValue = AccountWrite['set'][number][1];

function attributeValue(value: unknown): AttributeValue {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (Array.isArray(value)) return value.map(Number);
  const entries = Object.entries(value ?? {});
  return Object.fromEntries(entries.map(([name, each]) => [name, scalar(each)]));
}
