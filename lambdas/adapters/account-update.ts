/**
 * A conditional write of core/limits as the JSON text of one UpdateItem, made in one go: a call writes four of them, and an object of
 * names, values and clauses that is then made text took three times as long (ADR 0044).
 */
import type { AccountWrite, Condition, Path } from '../../core/limits/account-write.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { type Plain, toAttribute } from './attribute-values.ts';

/** Both outcomes bring the item back, where it is read. */
export function updateItemText(tableName: string, key: string, write: AccountWrite): string {
  const { itemUnread } = write;
  if (itemUnread === 'always') return updateText(tableName, key, write);
  const returned = itemUnread === undefined ? ',"ReturnValues":"ALL_NEW"' : '';
  const always = ',"ReturnValuesOnConditionCheckFailure":"ALL_OLD"';
  return `${updateText(tableName, key, write).slice(0, -1)}${always}${returned}}`;
}

/** As one write of a transaction, which brings nothing back. */
export function updateText(tableName: string, key: string, write: AccountWrite): string {
  const to: Placeholders = { names: [], values: '', count: 0 };
  const set = write.set.map(([path, plain]) => `${pathText(to, path)} = ${valueText(to, plain)}`);
  const add = write.add.map(([name, amount]) => `${nameText(to, name)} ${valueText(to, amount)}`);
  const remove = write.remove.map((path) => pathText(to, path));
  const update = `${clause('SET', set)}${clause('ADD', add)}${clause('REMOVE', remove)}`.trimEnd();
  const condition = allText(to, write.conditions);
  const address = `"TableName":${quoted(tableName)},"Key":{"${TABLE_KEY}":{"S":${quoted(key)}}}`;
  const expressions = `"ConditionExpression":"${condition}","UpdateExpression":"${update}"`;
  const values = to.count === 0 ? '' : `,"ExpressionAttributeValues":{${to.values}}`;
  return `{${address},${expressions},"ExpressionAttributeNames":{${namesText(to)}}${values}}`;
}

/** Names and values stand in the expressions by their numbers. */
interface Placeholders {
  readonly names: string[];
  values: string;
  count: number;
}

const quoted = JSON.stringify;

function clause(keyword: string, parts: readonly string[]): string {
  return parts.length === 0 ? '' : `${keyword} ${parts.join(', ')} `;
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
  const comma = to.count === 0 ? '' : ',';
  to.values += `${comma}":${to.count}":${attributeText(plain)}`;
  to.count += 1;
  return `:${to.count - 1}`;
}

function attributeText(plain: Plain): string {
  if (typeof plain === 'number') return `{"N":"${plain}"}`;
  return typeof plain === 'string' ? `{"S":${quoted(plain)}}` : quoted(toAttribute(plain));
}

function namesText({ names }: Placeholders): string {
  let text = '';
  for (const [index, name] of names.entries())
    text += `${index === 0 ? '' : ','}"#${index}":${quoted(name)}`;
  return text;
}

function allText(to: Placeholders, conditions: readonly Condition[]): string {
  let text = '';
  for (const condition of conditions)
    text += `${text === '' ? '' : ' AND '}${conditionText(to, condition)}`;
  return text;
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
