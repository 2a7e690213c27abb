/** Operations on the objects of the policy: one set for each kind, all of them edits of the one tree. */
import * as z from 'zod';
import { OBJECT_KINDS, type ObjectKind, ownerOf, pathOf } from '../../core/governance/objects.ts';
import { mayDo, OF_THE_RECORD } from '../../core/governance/permissions.ts';
import type { Principal, Target } from '../../core/governance/principal.ts';
import { at, namesOf, type Path, type Tree } from '../../core/governance/tree.ts';
import { adminRoute, notFound, refused } from './admin-route.ts';
import { type ChangePorts, changePolicy, versionOf } from './apply-policy.ts';
import { changedAnswer, refusalAnswer } from './policy-answers.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

const MAX_PAGE = 500;
const PAGE = 100;

const noQuery = z.strictObject({});
const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(PAGE),
  cursor: z.string().min(1).max(1000).optional(),
});
const changedSchema = z.object({
  version: z.int(),
  accounts: z.int(),
  rollout: z.object({ done: z.int(), total: z.int() }),
  changes: z.array(z.looseObject({ kind: z.enum(['add', 'change', 'remove']), path: z.string() })),
});

export function objectRoutes(ports: ChangePorts): readonly AdminRoute[] {
  return OBJECT_KINDS.flatMap((kind) => {
    const list = kind.plural === undefined ? [] : [listRoute(ports, kind, kind.plural)];
    return [...list, showRoute(ports, kind), ...editRoutes(ports, kind)];
  });
}

function listRoute({ writer }: ChangePorts, kind: ObjectKind, plural: string): AdminRoute {
  return adminRoute({
    operation: `list${plural}`,
    method: 'GET',
    path: kind.url.slice(0, kind.url.lastIndexOf('/')),
    summary: `${plural} that you may see, in the order of their names.`,
    params: paramsOf(kind, true),
    query: pageQuery,
    body: z.unknown(),
    answer: z.object({
      items: z.array(z.object({ id: z.string(), value: objectOf(kind) })),
      cursor: z.string().optional(),
    }),
    permission: 'policy:read',
    target: () => OF_THE_RECORD,
    async handle({ params, query: { limit, cursor }, principal }) {
      const { version, tree } = await inForce(writer);
      const place = pathOf(kind, params).slice(0, -1);
      const after = cursor === undefined ? undefined : nameOf(cursor);
      if (cursor !== undefined && after === undefined)
        return refused(400, 'invalid_request', 'query.cursor: a cursor of an earlier answer');
      const owner = place.slice(0, -1);
      const isOwned = owner.length === 0 || at(tree, owner) !== undefined;
      const { tenantId } = params;
      if (!isOwned || isForeign(principal, tenantId)) return notFound(`tenant ${tenantId}`);
      const seen = namesOf(at(tree, place))
        .filter((name) => after === undefined || name > after)
        .toSorted()
        .filter((name) => isVisible(principal, tree, [...place, name]));
      const items = seen
        .slice(0, limit)
        .map((id) => ({ id, value: at(tree, [...place, id]) ?? '' }));
      const last = seen.length > limit ? items.at(-1)?.id : undefined;
      const body = { items, ...(last === undefined ? {} : { cursor: cursorOf(last) }) };
      return { status: 200, body, version };
    },
  });
}

function showRoute({ writer }: ChangePorts, kind: ObjectKind): AdminRoute {
  return adminRoute({
    ...common(kind, 'show'),
    method: 'GET',
    summary: `The ${kind.name}, as the policy file would have it.`,
    body: z.unknown(),
    answer: objectOf(kind),
    permission: 'policy:read',
    target: () => OF_THE_RECORD,
    async handle({ params, principal }): Promise<AdminAnswer> {
      const { version, tree } = await inForce(writer);
      const place = pathOf(kind, params);
      const value = at(tree, place);
      if (value === undefined || !isVisible(principal, tree, place))
        return notFound(`${kind.name} at this address`);
      return { status: 200, body: asBody(value), version };
    },
  });
}

function editRoutes(ports: ChangePorts, kind: ObjectKind): readonly AdminRoute[] {
  const edits = [
    { verb: 'put', method: 'PUT', summary: `Makes the ${kind.name}, or replaces it whole.` },
    {
      verb: 'patch',
      method: 'PATCH',
      summary: `Changes some fields of the ${kind.name} (a merge patch: null removes one).`,
    },
    {
      verb: 'delete',
      method: 'DELETE',
      summary: `Removes the ${kind.name}; refused while others name it.`,
    },
  ] as const;
  return edits.map(({ verb, method, summary }) =>
    adminRoute({
      ...common(kind, verb),
      method,
      summary,
      body: verb === 'put' ? objectOf(kind) : verb === 'patch' ? patchOf(kind) : z.unknown(),
      answer: changedSchema,
      permission: 'policy:write',
      target: ({ params }) => targetOf(params),
      async handle({ params, body, ...request }) {
        const path = pathOf(kind, params);
        const edit =
          verb === 'put'
            ? ({ kind: 'put', path, owner: ownerOf(kind, path), value: body } as const)
            : verb === 'patch'
              ? ({ kind: 'patch', path, value: body } as const)
              : ({ kind: 'remove', path } as const);
        const operation = `${verb}${kind.name}`;
        const result = await changePolicy(ports, { ...request, edit, operation });
        return result.kind === 'changed' ? changedAnswer(result) : refusalAnswer(result);
      },
    }),
  );
}

function common(kind: ObjectKind, verb: string) {
  return {
    operation: `${verb}${kind.name}`,
    path: kind.url,
    params: paramsOf(kind, false),
    query: noQuery,
  };
}

function paramsOf({ path }: ObjectKind, isList: boolean) {
  const names = path.flatMap((step) => /^\{(\w+)\}$/.exec(step)?.[1] ?? []);
  const wanted = isList ? names.slice(0, -1) : names;
  return z.record(z.string(), z.string().max(1000)).meta({
    type: 'object',
    properties: Object.fromEntries(wanted.map((name) => [name, { type: 'string' }])),
    required: wanted,
  });
}

/** Any mapping here, because the tree is judged whole by the file's own schema; in the document, that schema. */
function objectOf({ name }: ObjectKind) {
  return mapping().meta({ $ref: `#/components/schemas/${name}` });
}

function patchOf({ name }: ObjectKind) {
  return mapping().meta({ description: `Some of the fields of ${name}; null removes one.` });
}

function mapping() {
  return z.unknown().refine((value) => isObject(value), { error: 'a mapping' });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function inForce(writer: ChangePorts['writer']) {
  return versionOf(writer, (await writer.policies.pointer())?.version);
}

function targetOf({ tenantId, teamId }: Readonly<Record<string, string>>): Target {
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(teamId === undefined ? {} : { teamId }),
  };
}

/** An empty list would say that there is such a tenant. */
function isForeign({ tenantId: own }: Principal, tenantId: string | undefined): boolean {
  return own !== undefined && tenantId !== undefined && own !== tenantId;
}

/** Whose the object is: a project is its team's, and a declared key its project's. Models are everybody's to see. */
function isVisible(principal: Principal, tree: Tree, path: Path): boolean {
  const [top, tenantId, section, name] = path;
  if (top === 'models') return true;
  if (top !== 'tenants' || tenantId === undefined) return mayDo(principal, 'policy:read', {});
  const tenant = ['tenants', tenantId];
  const project =
    section === 'keys' ? textAt(tree, [...tenant, 'keys', name ?? '', 'project']) : name;
  const teamId =
    section === 'teams' ? name : textAt(tree, [...tenant, 'projects', project ?? '', 'team']);
  return mayDo(principal, 'policy:read', targetOf({ tenantId, ...(teamId && { teamId }) }));
}

function textAt(tree: Tree, path: Path): string | undefined {
  const value = at(tree, path);
  return typeof value === 'string' ? value : undefined;
}

function asBody(value: Tree): object {
  return typeof value === 'object' ? value : { value };
}

/** Opaque to clients: where a page ended, so that nothing is shown twice or missed when others come and go. */
function cursorOf(name: string): string {
  return Buffer.from(JSON.stringify([name])).toString('base64url');
}

function nameOf(cursor: string): string | undefined {
  try {
    const read = z
      .tuple([z.string()])
      .safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return read.data?.[0];
  } catch {
    return undefined;
  }
}
