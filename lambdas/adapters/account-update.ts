/**
 * A conditional write of core/limits as the JSON text of one UpdateItem, made in one go: a call writes four of them, and an object of
 * names, values and clauses that is then made text took three times as long (ADR 0044).
 */
import type { AccountWrite, Condition, Path } from '../../core/limits/account-write.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { type Plain, toAttribute } from './attribute-values.ts';

/** Both outcomes bring the item back, where it is read. */
export function updateItemText(tableName: string, key: string, write: AccountWrite): string {
  return `{${membersText(tableName, key, write)}${RETURNED[write.itemUnread ?? 'never']}}`;
}

/** As one write of a transaction, which brings nothing back. */
export function updateText(tableName: string, key: string, write: AccountWrite): string {
  return `{${membersText(tableName, key, write)}}`;
}

const IF_REFUSED = ',"ReturnValuesOnConditionCheckFailure":"ALL_OLD"';
const RETURNED = {
  never: `${IF_REFUSED},"ReturnValues":"ALL_NEW"`,
  'if-applied': IF_REFUSED,
  always: '',
} as const;

function membersText(tableName: string, key: string, write: AccountWrite): string {
  const to: Placeholders = { names: [], values: [] };
  const set = write.set.map(([path, plain]) => `${pathText(to, path)} = ${valueText(to, plain)}`);
  const add = write.add.map(([name, amount]) => `${nameText(to, name)} ${valueText(to, amount)}`);
  const remove = write.remove.map((path) => pathText(to, path));
  const clauses = [clause('SET', set), clause('ADD', add), clause('REMOVE', remove)];
  const update = clauses.filter((text) => text !== '').join(' ');
  const condition = allText(to, write.conditions);
  const address = `"TableName":${quoted(tableName)},"Key":{"${TABLE_KEY}":{"S":${quoted(key)}}}`;
  const expressions = `"ConditionExpression":"${condition}","UpdateExpression":"${update}"`;
  const values = to.values.length === 0 ? '' : `,"ExpressionAttributeValues":{${to.values.join()}}`;
  return `${address},${expressions},"ExpressionAttributeNames":{${namesText(to)}}${values}`;
}

/** Names and values stand in the expressions by their numbers. */
interface Placeholders {
  readonly names: string[];
  /** With their placeholders. */
  readonly values: string[];
}

const PLAIN = /^[\w./%-]*$/;

/** Hardly any name has a letter that JSON writes otherwise. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function clause(keyword: string, parts: readonly string[]): string {
  return parts.length === 0 ? '' : `${keyword} ${parts.join(', ')}`;
}

function pathText(to: Placeholders, [attribute, entry]: Path): string {
  const text = nameText(to, attribute);
  return entry === undefined ? text : `${text}.${nameText(to, entry)}`;
}

/** A dozen at most, so that looking through them is faster than a map of them. */
function nameText({ names }: Placeholders, name: string): string {
  const known = names.indexOf(name);
  return `#${known >= 0 ? known : names.push(name) - 1}`;
}

function valueText(to: Placeholders, plain: Plain): string {
  const placeholder = `:${to.values.length}`;
  to.values.push(`"${placeholder}":${attributeText(plain)}`);
  return placeholder;
}

function attributeText(plain: Plain): string {
  if (typeof plain === 'number') return `{"N":"${plain}"}`;
  return typeof plain === 'string' ? `{"S":${quoted(plain)}}` : JSON.stringify(toAttribute(plain));
}

function namesText({ names }: Placeholders): string {
  return names.map((name, index) => `"#${index}":${quoted(name)}`).join();
}

function allText(to: Placeholders, conditions: readonly Condition[]): string {
  return conditions.map((condition) => conditionText(to, condition)).join(' AND ');
}

function conditionText(to: Placeholders, condition: Condition): string {
  switch (condition.kind) {
    case 'equals':
      return `${pathText(to, condition.path)} = ${valueText(to, condition.value)}`;
    case 'at-most': {
      const path = pathText(to, condition.path);
      return `(attribute_not_exists(${path}) OR ${path} <= ${valueText(to, condition.value)})`;
    }
    case 'absent':
      return `attribute_not_exists(${pathText(to, condition.path)})`;
    case 'present':
      return `attribute_exists(${pathText(to, condition.path)})`;
    case 'fewer-than':
      return `size(${pathText(to, condition.path)}) < ${valueText(to, condition.value)}`;
    case 'any':
      return anyText(to, condition.of);
  }
}

function anyText(to: Placeholders, alternatives: readonly (readonly Condition[])[]): string {
  const [only] = alternatives;
  // No alternative at all is a condition that no existing item meets.
  if (only === undefined) return `attribute_not_exists(${nameText(to, TABLE_KEY)})`;
  // DynamoDB refuses redundant parentheses, so one alternative stands as it is.
  const texts = alternatives.map((all) =>
    all.length > 1 ? `(${allText(to, all)})` : allText(to, all),
  );
  return texts.length > 1 ? `(${texts.join(' OR ')})` : texts.join('');
}
