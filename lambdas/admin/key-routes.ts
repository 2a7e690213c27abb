/**
 * The admin API's operations on keys, and on what suspends them. Every change is told to the audit log before it is
 * made. The lists come before what is addressed by an id, so that `unused` is no id.
 */
import * as z from 'zod';
import type { StoredKey } from '../../core/catalog/key-items.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import {
  forbiddenKeyFields,
  mayDo,
  OF_THE_RECORD,
  type Permission,
} from '../../core/governance/permissions.ts';
import type { KeyStatus } from '../../core/limits/account.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { parseDurationMs } from '../../core/policy/units.ts';
import { teamOf } from '../../core/routing/select-routes.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import { adminRoute, done, forbidden, notFound, refused } from './admin-route.ts';
import { keyStatusSchema, shownKey, shownKeySchema, shownKeys } from './key-answers.ts';
import {
  type Audit,
  type KeyAsker,
  type KeyPorts,
  makeKey,
  rotateKey,
  setKeyStatus,
} from './key-changes.ts';
import { checkNewKey, type NewKey, newKeySchema } from './new-key.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';
import { createSuspensionRoutes } from './suspension-routes.ts';

export interface KeyRoutePorts extends KeyPorts {
  readonly audit: Audit;
  readonly accountStore: Pick<AccountStore, 'read'>;
  readonly currentPolicy: () => Promise<PolicySnapshot | undefined>;
}

const nothing = z.strictObject({});
const id = z.string().min(1).max(64);
const byKeyId = z.strictObject({ keyId: z.string().regex(/^(vk_[0-9a-f]{12}|sso_[0-9a-f]{16})$/) });
const whose = { tenantId: id.optional(), teamId: id.optional(), projectId: id.optional() };
const statusAnswer = z.object({ keyId: z.string(), status: keyStatusSchema });

export function createKeyRoutes(ports: KeyRoutePorts): readonly AdminRoute[] {
  return [
    ...listRoutes(ports),
    createRoute(ports),
    showRoute(ports),
    rotateRoute(ports),
    ...statusRoutes(ports),
    ...createSuspensionRoutes(ports),
  ];
}

const MAX_PAGE = 200;
const MAX_UNUSED_READ = 1_000;
const DAY_MS = 86_400_000;

function listRoutes(ports: KeyRoutePorts): readonly AdminRoute[] {
  const { keys, accountStore, clock } = ports;
  const page = {
    ...whose,
    /** As the answer before gave it as `next`. */
    after: z.string().min(1).max(1_000).optional(),
  };
  return [
    adminRoute({
      operation: 'listKeys',
      method: 'GET',
      path: '/keys',
      summary: 'Keys of a tenant, a team, a project or an owner, in pages.',
      params: nothing,
      query: z.strictObject({
        ...page,
        owner: z.string().min(1).max(256).optional(),
        limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(50),
      }),
      body: z.unknown(),
      answer: z.object({ keys: z.array(shownKeySchema), next: z.string().nullable() }),
      permission: 'keys:read',
      target: ({ query }) => targetOf(query),
      async handle({ query: { limit, after, ...filter } }) {
        if (!isNested(filter)) return refused(400, 'invalid_request', NESTED);
        const { records, next } = await keys.list(filter, { limit, after });
        return done(200, { keys: await shownKeys(accountStore, records), next: next ?? null });
      },
    }),
    adminRoute({
      operation: 'listUnusedKeys',
      method: 'GET',
      path: '/keys/unused',
      summary: 'Keys that work and that nobody has used for so many days, in pages.',
      params: nothing,
      query: z.strictObject({
        ...page,
        days: z.coerce.number().int().min(1).max(3_650).default(30),
      }),
      body: z.unknown(),
      answer: z.object({ keys: z.array(shownKeySchema), next: z.string().nullable() }),
      permission: 'keys:read',
      target: ({ query }) => targetOf(query),
      async handle({ query: { days, after, ...filter } }) {
        if (!isNested(filter)) return refused(400, 'invalid_request', NESTED);
        const { records, next } = await keys.list(filter, { limit: MAX_UNUSED_READ, after });
        const nowMs = clock.nowMs();
        const sinceMs = nowMs - days * DAY_MS;
        const old = records.filter(
          ({ createdAtMs, expiresAtMs = Infinity }) =>
            createdAtMs <= sinceMs && nowMs < expiresAtMs,
        );
        const unused = (await shownKeys(accountStore, old)).filter(
          ({ lastUsedAtMs, status }) => status === 'active' && (lastUsedAtMs ?? 0) <= sinceMs,
        );
        return done(200, { keys: unused, next: next ?? null });
      },
    }),
  ];
}

const NESTED = 'A team is named with its tenant, and a project with its team.';

function isNested({
  tenantId,
  teamId,
  projectId,
}: {
  readonly tenantId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
}): boolean {
  return (
    (teamId === undefined || tenantId !== undefined) &&
    (projectId === undefined || teamId !== undefined)
  );
}

function targetOf({
  tenantId,
  teamId,
}: {
  readonly tenantId?: string | undefined;
  readonly teamId?: string | undefined;
}) {
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(teamId === undefined ? {} : { teamId }),
  };
}

function createRoute(ports: KeyRoutePorts): AdminRoute {
  return adminRoute({
    operation: 'createKey',
    method: 'POST',
    path: '/keys',
    summary: 'Makes a key. Its secret is in this answer and nowhere else.',
    params: nothing,
    query: nothing,
    body: newKeySchema,
    answer: z.object({
      keyId: z.string(),
      key: z.string(),
      status: keyStatusSchema,
      expiresAtMs: z.number().nullable(),
    }),
    permission: 'keys:write',
    target: ({ body: { tenantId, teamId } }) => ({ tenantId, teamId }),
    handle: (request) => createKey(ports, request, request.body),
  });
}

async function createKey(
  ports: KeyRoutePorts,
  asker: KeyAsker,
  asked: NewKey,
): Promise<AdminAnswer> {
  const policy = await ports.currentPolicy();
  if (policy === undefined) return refused(400, 'invalid_key', 'No policy has been applied yet.');
  const nowMs = ports.clock.nowMs();
  const checked = checkNewKey(policy, asked, { nowMs, createdBy: asker.principal.id });
  if (checked.kind === 'refused') return refused(400, 'invalid_key', checked.reason);
  const { costCenter } = teamOf(policy, asked);
  const fields = forbiddenKeyFields(asker.principal, asked, costCenter);
  if (fields.length > 0)
    return forbidden(`Your role may not give a key this ${fields.join(' and this ')}.`);
  const key = newVirtualKey();
  const keyHash = hashKey(key);
  const record = { ...checked.record, keyId: keyIdOf(keyHash) };
  const { keyId, tenantId, teamId, expiresAtMs = null } = record;
  await ports.audit.record(asker, {
    operation: 'createKey',
    object: `keys/${keyId}`,
    target: { tenantId, teamId },
    after: record,
  });
  const status = await makeKey(ports, { record, keyHash, policy });
  return done(201, { keyId, key, status, expiresAtMs });
}

function showRoute({ keys, accountStore }: KeyRoutePorts): AdminRoute {
  return adminRoute({
    operation: 'showKey',
    method: 'GET',
    path: '/keys/{keyId}',
    summary: 'One key: whose it is, what it may do, its status and when it was last used.',
    params: byKeyId,
    query: nothing,
    body: z.unknown(),
    answer: shownKeySchema,
    permission: 'keys:read',
    target: () => OF_THE_RECORD,
    handle: (request) =>
      withKey(
        { keys },
        { asker: request, keyId: request.params.keyId, permission: 'keys:read' },
        async ({ record }) => done(200, await shownKey(accountStore, record)),
      ),
  });
}

/** Every environment may have read the secret up to 30 s ago, without an end; so no overlap is shorter than twice that. */
const MIN_OVERLAP_MS = 60_000;
const MAX_OVERLAP_MS = 30 * DAY_MS;

function rotateRoute(ports: KeyRoutePorts): AdminRoute {
  return adminRoute({
    operation: 'rotateKey',
    method: 'POST',
    path: '/keys/{keyId}/rotate',
    summary: 'Gives a key a new secret; the one before works until the overlap is over.',
    params: byKeyId,
    query: nothing,
    body: z.strictObject({ overlap: z.string().min(2).max(20).default('24h') }),
    answer: z.object({ keyId: z.string(), key: z.string(), previousSecretUntilMs: z.number() }),
    permission: 'keys:write',
    target: () => OF_THE_RECORD,
    handle(request) {
      const { keyId } = request.params;
      const overlapMs = parseDurationMs(request.body.overlap) ?? 0;
      if (overlapMs < MIN_OVERLAP_MS || overlapMs > MAX_OVERLAP_MS)
        return Promise.resolve(refused(400, 'invalid_overlap', OVERLAP));
      return withKey(ports, { asker: request, keyId, permission: 'keys:write' }, (found) =>
        rotate(ports, request, { found, overlapMs }),
      );
    },
  });
}

const OVERLAP =
  'An overlap is from 1m to 720h, such as 24h. To end a secret at once, revoke its key and make another.';

async function rotate(
  ports: KeyRoutePorts,
  asker: KeyAsker,
  { found: { record }, overlapMs }: { found: StoredKey; overlapMs: number },
): Promise<AdminAnswer> {
  const { keyId, isDeclared, tenantId, teamId, previousSecretUntilMs = 0 } = record;
  if (isDeclared === true)
    return refused(
      409,
      'declared_key',
      `The policy declares the secret of ${keyId}: change it there.`,
    );
  if (record.status === 'revoked') return refused(409, 'key_revoked', `${keyId} is revoked.`);
  if (previousSecretUntilMs > ports.clock.nowMs())
    return refused(
      409,
      'rotation_in_progress',
      `The secret before works until ${new Date(previousSecretUntilMs).toISOString()}.`,
    );
  await ports.audit.record(asker, {
    operation: 'rotateKey',
    object: `keys/${keyId}`,
    target: { tenantId, teamId },
    after: { overlapMs },
  });
  const rotated = await rotateKey(ports, keyId, overlapMs);
  return rotated === undefined
    ? refused(409, 'rotation_in_progress', `Somebody else is rotating ${keyId}.`)
    : done(200, { keyId, ...rotated });
}

function statusRoutes(ports: KeyRoutePorts): readonly AdminRoute[] {
  const route = (
    how: Pick<AdminRoute, 'operation' | 'method' | 'path' | 'summary'>,
    status: KeyStatus,
  ) =>
    adminRoute({
      ...how,
      params: byKeyId,
      query: nothing,
      body: z.unknown(),
      answer: statusAnswer,
      permission: 'keys:write',
      target: () => OF_THE_RECORD,
      handle: (request) =>
        setStatus(ports, request, {
          keyId: request.params.keyId,
          status,
          operation: how.operation,
        }),
    });
  return [
    route(
      {
        operation: 'revokeKey',
        method: 'DELETE',
        path: '/keys/{keyId}',
        summary: 'Ends a key for good, from its next request on.',
      },
      'revoked',
    ),
    route(
      {
        operation: 'suspendKey',
        method: 'POST',
        path: '/keys/{keyId}/suspend',
        summary: 'Stops a key, from its next request on.',
      },
      'suspended',
    ),
    route(
      {
        operation: 'resumeKey',
        method: 'POST',
        path: '/keys/{keyId}/resume',
        summary: 'Lets a suspended key go on; it waits while its team or tenant is suspended.',
      },
      'active',
    ),
  ];
}

function setStatus(
  ports: KeyRoutePorts,
  asker: KeyAsker,
  { keyId, status, operation }: { keyId: string; status: KeyStatus; operation: string },
): Promise<AdminAnswer> {
  return withKey(ports, { asker, keyId, permission: 'keys:write' }, async ({ record }) => {
    const { tenantId, teamId } = record;
    if (record.status === 'revoked' && status !== 'revoked')
      return refused(409, 'key_revoked', `${keyId} is revoked for good.`);
    await ports.audit.record(asker, {
      operation,
      object: `keys/${keyId}`,
      target: { tenantId, teamId },
      before: { status: record.status ?? 'active' },
      after: { status },
    });
    return done(200, { keyId, status: await setKeyStatus(ports, keyId, status) });
  });
}

interface Asked {
  readonly asker: KeyAsker;
  readonly keyId: string;
  readonly permission: Permission;
}

/** Another's key is answered as one that does not exist. */
async function withKey(
  { keys }: Pick<KeyRoutePorts, 'keys'>,
  { asker, keyId, permission }: Asked,
  handle: (found: StoredKey) => Promise<AdminAnswer>,
): Promise<AdminAnswer> {
  const found = await keys.find(keyId);
  if (found === undefined) return notFound(`key ${keyId}`);
  const { tenantId, teamId } = found.record;
  return mayDo(asker.principal, permission, { tenantId, teamId })
    ? handle(found)
    : notFound(`key ${keyId}`);
}
