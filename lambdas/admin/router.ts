/**
 * Leads a request of the admin API to its route: the address, what it carries, who may ask, then the route itself.
 * Nothing runs that the table of routes does not name, and nothing unknown in a body or a query is passed over.
 */
import type * as z from 'zod';
import { mayDo } from '../../core/governance/permissions.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { forbidden, refused } from './admin-route.ts';
import type { AdminAnswer, AdminRequest, AdminRoute } from './route.ts';

export interface WireRequest {
  readonly method: string;
  /** Below `/admin/v1`, as the client sent it. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly ifMatch: string | undefined;
  readonly reason: string | undefined;
  readonly sourceIp: string;
  readonly requestId: string;
  readonly principal: Principal;
}

export interface WireAnswer extends AdminAnswer {
  /** Methods that the address has, where the request's is none of them. */
  readonly allow?: readonly string[];
}

const MAX_REASON = 500;

export async function answerRequest(
  routes: readonly AdminRoute[],
  wire: WireRequest,
): Promise<WireAnswer> {
  const found = routes.flatMap((route) => {
    const params = matchPath(route.path, wire.path);
    return params === undefined ? [] : [{ route, params }];
  });
  const hit = found.find(({ route }) => route.method === wire.method);
  if (hit === undefined)
    return notRouted(wire, [...new Set(found.map(({ route }) => route.method))]);
  const read = readRequest(hit.route, hit.params, wire);
  if (read.kind === 'refused') return read.answer;
  const { request } = read;
  const target = hit.route.target(request);
  if (!mayDo(wire.principal, hit.route.permission, target))
    return forbidden(`The role ${wire.principal.role} may not do this here.`);
  return hit.route.handle(request);
}

function notRouted({ method }: WireRequest, allow: readonly string[]): WireAnswer {
  if (allow.length === 0) return refused(404, 'not_found', 'Nothing is at this address.');
  const answer = refused(405, 'method_not_allowed', `${method} is not among ${allow.join(', ')}.`);
  return { ...answer, allow };
}

/** The parameters, or undefined where the path is another one. Segments are decoded one by one, after they are split. */
function matchPath(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const isGreedy = wanted.at(-1)?.endsWith('+}') === true;
  if (isGreedy ? given.length < wanted.length : given.length !== wanted.length) return undefined;
  const params: [string, string][] = [];
  for (const [index, step] of wanted.entries()) {
    const name = /^\{(\w+)\+?\}$/.exec(step)?.[1];
    const isLast = index === wanted.length - 1;
    const text = decoded(isGreedy && isLast ? given.slice(index).join('/') : (given[index] ?? ''));
    if (text === undefined || (name === undefined ? text !== step : text === '')) return undefined;
    if (name !== undefined) params.push([name, text]);
  }
  return Object.fromEntries(params);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

type Read =
  | { readonly kind: 'read'; readonly request: AdminRequest<unknown, unknown, unknown> }
  | { readonly kind: 'refused'; readonly answer: AdminAnswer };

function readRequest(
  route: AdminRoute,
  pathParams: Readonly<Record<string, string>>,
  wire: WireRequest,
): Read {
  const json = route.text === undefined ? readJson(wire) : { value: wire.body };
  if (json === undefined) return invalid([{ path: '', expected: 'a JSON body' }]);
  const version = /^(?:W\/)?"(\d{1,15})"$/.exec(wire.ifMatch ?? '')?.[1];
  if (wire.ifMatch !== undefined && wire.ifMatch !== '*' && version === undefined)
    return invalid([{ path: 'if-match', expected: 'the etag of an answer, or *' }]);
  if ((wire.reason?.length ?? 0) > MAX_REASON)
    return invalid([{ path: 'x-tollgate-reason', expected: `at most ${MAX_REASON} characters` }]);
  const params = route.params.safeParse(pathParams);
  const query = route.query.safeParse(wire.query);
  const body = route.body.safeParse(json.value);
  const errors = [
    ...problems('path', params),
    ...problems('query', query),
    ...problems('body', body),
  ];
  if (!params.success || !query.success || !body.success) return invalid(errors);
  const { principal, reason, sourceIp, requestId } = wire;
  return {
    kind: 'read',
    request: {
      ...{ params: params.data, query: query.data, body: body.data },
      ...{ principal, reason, sourceIp, requestId },
      ifMatch: version === undefined ? undefined : Number(version),
    },
  };
}

/** An operation without a body takes what it has defaults for; an object without one is not an empty object. */
function readJson({ method, body }: WireRequest): { readonly value: unknown } | undefined {
  if (body.trim() === '') return { value: method === 'POST' ? {} : undefined };
  try {
    return { value: JSON.parse(body) };
  } catch {
    return undefined;
  }
}

interface Problem {
  readonly path: string;
  readonly expected: string;
}

function problems(part: string, { error }: z.ZodSafeParseResult<unknown>): Problem[] {
  return (error?.issues ?? []).flatMap(({ path, message, ...issue }): Problem[] => {
    const place = [part, ...path.map(String)].join('.');
    if (issue.code !== 'unrecognized_keys') return [{ path: place, expected: message }];
    return issue.keys.map((name) => ({ path: `${place}.${name}`, expected: 'no such field' }));
  });
}

const MAX_PROBLEMS = 100;

function invalid(errors: readonly Problem[]): Read {
  const told = errors.slice(0, MAX_PROBLEMS);
  const message = told.map(({ path, expected }) => `${path}: ${expected}`).join('; ');
  const error = { code: 'invalid_request', message, errors: told };
  return { kind: 'refused', answer: { status: 400, body: { error } } };
}
