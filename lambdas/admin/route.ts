/**
 * One operation of the admin API: what it takes, what it needs, what it answers. The router, the OpenAPI document and
 * the tests of the roles read the same table, so that no operation escapes any of them.
 */
import type * as z from 'zod';
import type { Permission } from '../../core/governance/permissions.ts';
import type { Principal, Target } from '../../core/governance/principal.ts';

/** A request that has passed the door. */
export interface AdminRequest<P, Q, B> {
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Why, as the caller says in `x-tollgate-reason`. */
  readonly reason: string | undefined;
  readonly sourceIp: string;
  readonly requestId: string;
  /** The policy's version that the request was made for, of `If-Match`. */
  readonly ifMatch?: number | undefined;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: object;
  /** Of the policy that the answer was read from or has made; sent as its etag. */
  readonly version?: number;
}

export interface AdminRoute<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
> {
  /** The operation's id in the OpenAPI document, such as `listTeams`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/admin/v1`, with `{names}` of the parameters. */
  readonly path: string;
  readonly summary: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Of the success, for the document and its test. */
  readonly answer: z.ZodType;
  /** The body is a text of this type and not JSON. */
  readonly text?: string;
  readonly permission: Permission;
  /** What the permission is asked for, from the parameters and the body; checked before `handle`. */
  readonly target: (input: {
    params: z.output<P>;
    query: z.output<Q>;
    body: z.output<B>;
  }) => Target;
  readonly handle: (
    request: AdminRequest<z.output<P>, z.output<Q>, z.output<B>>,
  ) => Promise<AdminAnswer>;
}
