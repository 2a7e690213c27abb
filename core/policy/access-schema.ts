/** Parts of the policy file that say who may use what: allow-lists, tags, places of data, models that go, sign-in. */
import type * as z from 'zod';
import type { Tier } from '../catalog/snapshot.ts';
import { limits } from './limits-schema.ts';
import {
  alias,
  choice,
  collection,
  ID_RULE,
  id,
  instant,
  leaf,
  line,
  list,
  mapping,
  tagName,
  within,
} from './schema-parts.ts';
import { parseCount } from './units.ts';

export const TIERS = {
  shared: 'shared',
  premium: 'premium',
  experimental: 'experimental',
} as const satisfies { [T in Tier]: T };
export const tier = choice(TIERS);

/** Of tenants and keys; absent: what the level above has. */
export const access = {
  tiers: list(tier).optional(),
  models: list(alias).optional(),
};

/** Both a tenant's and a team's hold. */
export const tagRules = mapping({
  required: list(tagName).default([]),
  /** A `*` at the end stands for any rest. */
  allowed_values: collection(tagName, list(line).min(1, { error: 'at least one value' })).default(
    {},
  ),
}).optional();

/** Every rule that is given holds. A region is any of those listed, a label each of them. */
export const dataMayGoTo = mapping({
  regions: list(id).optional(),
  providers: list(id).optional(),
  labels: list(id).optional(),
}).optional();

const DAY_MS = 86_400_000;
/** Headers carry it, and nothing else in them is longer or stranger. */
const notice = leaf('a text of 1 to 200 printable ASCII characters', (text) =>
  /^[ -~]{1,200}$/.test(text) ? text : undefined,
);

export const deprecated = mapping({
  on: instant,
  sunset: instant.optional(),
  replacement: alias.optional(),
  message: notice.optional(),
  after_sunset: choice({ refuse: 'refuse', redirect: 'redirect' }).default('refuse'),
})
  .superRefine((value, context) => {
    if (value.sunset !== undefined && value.sunset < value.on)
      context.addIssue({ code: 'custom', path: ['sunset'], message: 'not before the day of `on`' });
    if (value.after_sunset === 'redirect' && value.replacement === undefined)
      context.addIssue({
        code: 'custom',
        path: ['after_sunset'],
        message: 'refuse, or a replacement beside it',
      });
  })
  .optional();

const MAX_KEY_DAYS = 3_650;
const DEFAULT_KEY_DAYS = 365;
const keyAge = leaf('whole days from 1d to 3650d, such as 90d', (text) => {
  const days = /^\d{1,4}d$/.test(text) ? parseCount(text.slice(0, -1)) : undefined;
  return within(days, 1, MAX_KEY_DAYS);
}).transform((days) => days * DAY_MS);

export const keyRules = mapping({
  /** No key lives longer, and one that names no end lives so long. */
  max_age: keyAge.default(DEFAULT_KEY_DAYS * DAY_MS),
}).prefault({});

const claimName = leaf("a claim's name of 1 to 128 printable characters", (text) =>
  /^[!-~]{1,128}$/.test(text) ? text : undefined,
);
const nameOrClaim = leaf('an id, or claim: and the name of the claim that holds it', (text) =>
  ID_RULE.test(text) || /^claim:[!-~]{1,128}$/.test(text) ? text : undefined,
);
/** In the clear only to this machine itself, for trying out: whoever changes keys on their way is anybody. */
const httpsUrl = leaf('an https URL without credentials, query or fragment', (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || /[?#\s]/.test(text) || url.username !== '' || url.password !== '')
    return undefined;
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal) ? text : undefined;
});

/** Whose tokens are taken in the place of a key, and whose calls they are. */
export const sso = collection(
  id,
  mapping({
    /** Exactly as the tokens' `iss` has it. */
    issuer: httpsUrl,
    audience: list(line).min(1, { error: 'at least one audience' }),
    /** Where its keys are. Absent: as its discovery document says, at its own host. */
    jwks_uri: httpsUrl.optional(),
    /** The user whose call it is: the tag `user_id`. */
    user_claim: claimName.default('sub'),
    /** The first that fits holds; a token that none fits is refused. */
    rules: list(
      mapping({
        /** Each claim is this text, or a list with it. */
        when: collection(claimName, line).default({}),
        tenant: nameOrClaim,
        team: nameOrClaim,
        project: nameOrClaim,
      }),
    ).min(1, { error: 'at least one rule' }),
    features: list(line).default([]),
    ...access,
    /** Of all who come by this issuer into one project, together. */
    limits: limits.default({}),
  }),
).default({});

export type FileSso = z.infer<typeof sso>;
