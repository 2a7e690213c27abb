/** How operations of the admin API are written down: with the types of their schemas, and answers in one form. */
import type * as z from 'zod';
import type { Target } from '../../core/governance/principal.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

/**
 * A route with its own types as one of a table of routes. What the router has read is read once more, because a table
 * does not know the types; so schemas of such routes must read what they have made.
 */
export function adminRoute<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  route: AdminRoute<P, Q, B>,
): AdminRoute {
  const { params, query, body, target, handle } = route;
  const read = (input: { params: unknown; query: unknown; body: unknown }) => ({
    params: params.parse(input.params),
    query: query.parse(input.query),
    body: body.parse(input.body),
  });
  return {
    ...route,
    target: (input): Target => target(read(input)),
    handle: async (request) => handle({ ...request, ...read(request) }),
  };
}

export function done(status: number, body: object): AdminAnswer {
  return { status, body };
}

export function refused(status: number, code: string, message: string): AdminAnswer {
  return { status, body: { error: { code, message } } };
}

export function notFound(what: string): AdminAnswer {
  return refused(404, 'not_found', `There is no ${what}.`);
}

/** Told alike for what does not exist and what is another's, where that would say that it exists. */
export function forbidden(message: string): AdminAnswer {
  return refused(403, 'forbidden', message);
}
