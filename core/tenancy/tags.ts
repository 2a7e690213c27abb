/**
 * Tags of a call: where its cost belongs. From the request's metadata and the `x-tollgate-tags` header,
 * bounded; what the key pins wins, so a caller cannot book on another's cost center.
 */
import type { KeyRecord, TagRules } from '../catalog/snapshot.ts';
import { GatewayError } from '../errors.ts';
import { checkTags, TAGS_HEADER } from './tag-rules.ts';

const MAX_TAGS = 16;
const MAX_NAME = 64;
const MAX_VALUE = 256;
const CONTROL = /\p{Cc}/u;

/** Tags with a column of their own in the ledger. */
const NAMED = [
  'feature',
  'cost_center',
  'customer_id',
  'user_id',
  'use_case',
  'session_id',
] as const;
type NamedTag = (typeof NAMED)[number];

export type Tags = Readonly<Record<NamedTag, string | null>> & { readonly tags: string | null };

export interface TagSources {
  readonly metadata: Readonly<Record<string, string>>;
  /** `name=value` pairs separated by commas, percent-encoded where needed. */
  readonly header: string | undefined;
  readonly endUser: string | undefined;
  readonly key: KeyRecord;
  readonly costCenter: string | undefined;
  readonly rules?: readonly (TagRules | undefined)[];
}

/**
 * Throws GatewayError `invalid_request` for tags beyond the bounds or against the rules, which are named, and
 * `feature_not_allowed` for a feature that is none of the key's.
 */
export function resolveTags({
  metadata,
  header,
  endUser,
  key,
  costCenter,
  rules = [],
}: TagSources): Tags {
  const said = new Map<string, string>();
  if (endUser !== undefined) said.set('user_id', endUser);
  for (const [name, value] of [...Object.entries(metadata), ...parseHeader(header)])
    said.set(checked(name, MAX_NAME), checked(value, MAX_VALUE));
  const merged = mergeTags(key, costCenter, said);
  if (merged.size > MAX_TAGS + NAMED.length)
    throw new GatewayError('invalid_request', `A call carries at most ${MAX_TAGS} tags.`, {
      param: TAGS_HEADER,
    });
  checkTags(merged, rules);
  checkFeature(merged.get('feature'), key.features);
  return columnsOf(merged);
}

/** Of a call of which nothing is known any more but its key: as if its caller had said nothing. */
export function tagsOfKey(key: KeyRecord, costCenter: string | undefined): Tags {
  return columnsOf(mergeTags(key, costCenter, new Map()));
}

/** What the caller said is above what is taken otherwise, and what the key pins is above both. */
function mergeTags(
  { features: [feature], pinnedTags }: KeyRecord,
  costCenter: string | undefined,
  said: ReadonlyMap<string, string>,
): Map<string, string> {
  const merged = new Map<string, string>();
  if (costCenter !== undefined) merged.set('cost_center', costCenter);
  if (feature !== undefined) merged.set('feature', feature);
  for (const [name, value] of [...said, ...Object.entries(pinnedTags)]) merged.set(name, value);
  return merged;
}

function columnsOf(merged: ReadonlyMap<string, string>): Tags {
  const free = new Map(merged);
  const take = (name: NamedTag): string | null => {
    const value = free.get(name) ?? null;
    free.delete(name);
    return value;
  };
  const named = {
    feature: take('feature'),
    cost_center: take('cost_center'),
    customer_id: take('customer_id'),
    user_id: take('user_id'),
    use_case: take('use_case'),
    session_id: take('session_id'),
  };
  return { ...named, tags: free.size === 0 ? null : JSON.stringify(Object.fromEntries(free)) };
}

/**
 * Refused and not booked on the key's own feature: the ledger would say that one feature spent what another did, and
 * nobody would hear of it.
 */
function checkFeature(feature: string | undefined, serves: readonly string[]): void {
  if (feature === undefined || serves.length === 0 || serves.includes(feature)) return;
  throw new GatewayError(
    'feature_not_allowed',
    `This API key serves other features: ${serves.join(', ').slice(0, 500)}.`,
    { param: TAGS_HEADER },
  );
}

function parseHeader(header: string | undefined): [string, string][] {
  if (header === undefined || header.trim() === '') return [];
  return header.split(',').map((pair) => {
    const [name = '', value = ''] = pair.split('=', 2);
    return [decode(name.trim()), decode(value.trim())];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new GatewayError(
      'invalid_request',
      `The header ${TAGS_HEADER} is not percent-encoded correctly.`,
      { cause, param: TAGS_HEADER },
    );
  }
}

function checked(text: string, max: number): string {
  if (text === '' || text.length > max || CONTROL.test(text)) {
    throw new GatewayError(
      'invalid_request',
      `Tag names have 1 to ${MAX_NAME} and values 1 to ${MAX_VALUE} printable characters.`,
      { param: TAGS_HEADER },
    );
  }
  return text;
}
