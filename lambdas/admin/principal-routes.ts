/** Principals: who may govern. Made, shown, given new keys and ended by those whose role and reach cover theirs. */
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { type AuditRecord, type AuditSource, auditRecord } from '../../core/governance/audit.ts';
import { ROOT_ID } from '../../core/governance/overrides.ts';
import { mayDo, mayGrant, OF_THE_RECORD } from '../../core/governance/permissions.ts';
import { type Principal, ROLES } from '../../core/governance/principal.ts';
import {
  type PrincipalRecord,
  rotated,
  shownPrincipal,
  targetOf,
} from '../../core/governance/principals.ts';
import { hashKey, newAdminKey } from '../../core/tenancy/virtual-key.ts';
import type { AuditLog } from '../adapters/audit-log.ts';
import type { Register } from '../adapters/register.ts';
import { adminRoute, done, forbidden, notFound, refused } from './admin-route.ts';
import { adminKeyItem } from './identify.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

export interface PrincipalPorts {
  readonly principals: Register<PrincipalRecord>;
  readonly audit: AuditLog;
  readonly catalogTable: string;
  readonly clock: Clock;
}

const MAX_OVERLAP_SECONDS = 7 * 86_400;
const MAX_PAGE = 500;

const id = z.string().regex(/^[a-z0-9][a-z0-9._@-]{0,62}$/, 'a short lower-case name');
const reach = z.string().min(1).max(64);
const nothing = z.strictObject({});
const byId = z.strictObject({ id });
const newPrincipal = z.strictObject({
  id,
  name: z.string().min(1).max(200),
  role: z.enum(ROLES),
  tenantId: reach.optional(),
  teamId: reach.optional(),
  expiresAtMs: z.int().positive().optional(),
});
const overlap = z.strictObject({
  overlapSeconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).default(0),
});
const shown = z.object({
  id,
  name: z.string(),
  role: z.enum(ROLES),
  tenantId: z.string().optional(),
  teamId: z.string().optional(),
  createdBy: z.string(),
  createdAtMs: z.int(),
  expiresAtMs: z.int().optional(),
  revokedAtMs: z.int().optional(),
  status: z.enum(['active', 'revoked', 'expired']),
  openKeys: z.int(),
});
const withKey = z.object({ principal: shown, key: z.string() });

export function createPrincipalRoutes(ports: PrincipalPorts): readonly AdminRoute[] {
  return [...lookRoutes(ports), ...changeRoutes(ports), ...ownRoutes(ports)];
}

function lookRoutes({ principals, clock }: PrincipalPorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'listPrincipals',
      method: 'GET',
      path: '/principals',
      summary: 'Who may govern, of one tenant or of all.',
      params: nothing,
      query: z.strictObject({
        tenantId: reach.optional(),
        limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
        cursor: id.optional(),
      }),
      body: z.unknown(),
      answer: z.object({ principals: z.array(shown), cursor: z.string().nullable() }),
      permission: 'principals:read',
      target: ({ query }) => targetOf({ tenantId: query.tenantId }),
      async handle({ query: { tenantId, limit, cursor = '' } }) {
        const all = (await principals.all()).filter(
          (each) => each.id > cursor && (tenantId === undefined || each.tenantId === tenantId),
        );
        const page = all.slice(0, limit);
        return done(200, {
          principals: page.map((each) => shownPrincipal(each, clock.nowMs())),
          cursor: all.length > limit ? (page.at(-1)?.id ?? null) : null,
        });
      },
    }),
    adminRoute({
      operation: 'showPrincipal',
      method: 'GET',
      path: '/principals/{id}',
      summary: 'One principal.',
      params: byId,
      query: nothing,
      body: z.unknown(),
      answer: shown,
      permission: 'principals:read',
      target: () => OF_THE_RECORD,
      async handle({ principal, params }) {
        const record = await principals.find(params.id);
        return record !== undefined && mayDo(principal, 'principals:read', targetOf(record))
          ? done(200, shownPrincipal(record, clock.nowMs()))
          : notFound(`principal ${params.id}`);
      },
    }),
  ];
}

function changeRoutes(ports: PrincipalPorts): readonly AdminRoute[] {
  const { clock } = ports;
  return [
    adminRoute({
      operation: 'createPrincipal',
      method: 'POST',
      path: '/principals',
      summary: 'Makes a principal. Its key is in this answer and nowhere else.',
      params: nothing,
      query: nothing,
      body: newPrincipal,
      answer: withKey,
      permission: 'principals:write',
      target: ({ body }) => targetOf(body),
      handle: (request) => createPrincipal(ports, request, request.body),
    }),
    adminRoute({
      operation: 'rotatePrincipal',
      method: 'POST',
      path: '/principals/{id}/rotate',
      summary: 'Gives a principal a new key; the one before ends after the overlap.',
      params: byId,
      query: nothing,
      body: overlap,
      answer: withKey,
      permission: 'principals:write',
      target: () => OF_THE_RECORD,
      handle: (request) => rotate(ports, request, { id: request.params.id, ...request.body }),
    }),
    adminRoute({
      operation: 'revokePrincipal',
      method: 'DELETE',
      path: '/principals/{id}',
      summary: 'Ends a principal: none of its keys opens anything from the next request on.',
      params: byId,
      query: nothing,
      body: z.unknown(),
      answer: shown,
      permission: 'principals:write',
      target: () => OF_THE_RECORD,
      async handle(request) {
        const answer = await changed(ports, request, {
          id: request.params.id,
          operation: 'revokePrincipal',
          change: (record) => ({ ...record, revokedAtMs: record.revokedAtMs ?? clock.nowMs() }),
        });
        return answer.kind === 'changed'
          ? done(200, shownPrincipal(answer.record, clock.nowMs()))
          : answer.refusal;
      },
    }),
  ];
}

function ownRoutes(ports: PrincipalPorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'whoami',
      method: 'GET',
      path: '/whoami',
      summary: 'The principal of the key that was sent.',
      params: nothing,
      query: nothing,
      body: z.unknown(),
      answer: z.object({ id, name: z.string(), role: z.enum(ROLES) }),
      permission: 'usage:read',
      target: () => OF_THE_RECORD,
      handle: async ({ principal: { id: own, name, role, ...at } }) =>
        done(200, { id: own, name, role, ...targetOf(at) }),
    }),
    adminRoute({
      operation: 'rotateOwnKey',
      method: 'POST',
      path: '/whoami/rotate',
      summary: 'A new key for oneself, which nobody else has seen.',
      params: nothing,
      query: nothing,
      body: overlap,
      answer: withKey,
      permission: 'usage:read',
      target: () => OF_THE_RECORD,
      handle: async (request) =>
        request.principal.id === ROOT_ID
          ? refused(409, 'not_rotatable', 'The secret of the root is replaced in Secrets Manager.')
          : rotate(ports, request, { id: request.principal.id, ...request.body }),
    }),
  ];
}

type Asker = AuditSource;

async function createPrincipal(
  { principals, audit, catalogTable, clock }: PrincipalPorts,
  asker: Asker,
  wanted: z.output<typeof newPrincipal>,
): Promise<AdminAnswer> {
  const { tenantId, teamId, expiresAtMs, ...rest } = wanted;
  const target = targetOf({ tenantId, teamId });
  if (!mayGrant(asker.principal, { role: wanted.role, ...target }))
    return forbidden('Nobody gives a role above their own, or a reach beyond it.');
  const nowMs = clock.nowMs();
  const key = newAdminKey();
  const hash = hashKey(key);
  const issuedBy = asker.principal.id;
  const document: PrincipalRecord = {
    ...rest,
    ...target,
    createdBy: issuedBy,
    createdAtMs: nowMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    keys: [{ hash, issuedBy, createdAtMs: nowMs }],
  };
  const after = shownPrincipal(document, nowMs);
  const record = auditRecord(
    asker,
    { operation: 'createPrincipal', object: `principals/${wanted.id}`, target, after },
    { atMs: nowMs },
  );
  const items = [adminKeyItem(catalogTable, { hash, principalId: wanted.id }), audit.item(record)];
  const isMade = await principals.change<boolean>(wanted.id, (current) =>
    current !== undefined || wanted.id === ROOT_ID
      ? { kind: 'keep', result: false }
      : { kind: 'write', document, items, result: true },
  );
  if (!isMade) return refused(409, 'exists', `There is, or was, a principal ${wanted.id}.`);
  await audit.ship(record);
  return done(201, { principal: after, key });
}

async function rotate(
  ports: PrincipalPorts,
  asker: Asker,
  { id: ofWhom, overlapSeconds }: { id: string; overlapSeconds: number },
): Promise<AdminAnswer> {
  const { clock, catalogTable } = ports;
  const key = newAdminKey();
  const hash = hashKey(key);
  const answer = await changed(ports, asker, {
    id: ofWhom,
    operation: 'rotatePrincipal',
    change: (record) =>
      record.revokedAtMs === undefined
        ? rotated(record, {
            hash,
            issuedBy: asker.principal.id,
            nowMs: clock.nowMs(),
            overlapMs: overlapSeconds * 1000,
          })
        : undefined,
    items: [adminKeyItem(catalogTable, { hash, principalId: ofWhom })],
  });
  return answer.kind === 'changed'
    ? done(200, { principal: shownPrincipal(answer.record, clock.nowMs()), key })
    : answer.refusal;
}

interface PrincipalChange {
  readonly id: string;
  readonly operation: string;
  /** Undefined where the principal is over. */
  readonly change: (record: PrincipalRecord) => PrincipalRecord | undefined;
  readonly items?: readonly TransactWriteItem[];
}

type Changed =
  | { readonly kind: 'changed'; readonly record: PrincipalRecord; readonly audited: AuditRecord }
  | { readonly kind: 'refused'; readonly refusal: AdminAnswer };

async function changed(
  { principals, audit, clock }: PrincipalPorts,
  asker: Asker,
  { id: ofWhom, operation, change, items = [] }: PrincipalChange,
): Promise<Changed> {
  const refusal = (answer: AdminAnswer): Changed => ({ kind: 'refused', refusal: answer });
  const result = await principals.change<Changed>(ofWhom, (current) => {
    if (current === undefined || !mayChange(asker.principal, current))
      return { kind: 'keep', result: refusal(notFound(`principal ${ofWhom} that you may change`)) };
    const document = change(current);
    if (document === undefined)
      return {
        kind: 'keep',
        result: refusal(refused(409, 'revoked', 'The principal is revoked.')),
      };
    const nowMs = clock.nowMs();
    const audited = auditRecord(
      asker,
      {
        operation,
        object: `principals/${ofWhom}`,
        target: targetOf(current),
        before: shownPrincipal(current, nowMs),
        after: shownPrincipal(document, nowMs),
      },
      { atMs: nowMs },
    );
    return {
      kind: 'write',
      document,
      items: [...items, audit.item(audited)],
      result: { kind: 'changed', record: document, audited },
    };
  });
  if (result.kind === 'changed') await audit.ship(result.audited);
  return result;
}

function mayChange(by: Principal, record: PrincipalRecord): boolean {
  return by.id === record.id || mayGrant(by, { role: record.role, ...targetOf(record) });
}
