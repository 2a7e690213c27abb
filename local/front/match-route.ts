import type { Route } from './api-definition.ts';

export interface RouteMatch {
  readonly route: Route;
  readonly pathParameters: Readonly<Record<string, string>>;
}

const GREEDY = /^\{(.+)\+\}$/;
const PARAMETER = /^\{(.+)\}$/;

/**
 * The most specific path wins, segment by segment (literal, parameter, greedy), and only then the method is looked at:
 * a path that exists without the method is a refusal, even where a greedy route beside it has the method.
 */
export function matchRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): RouteMatch | undefined {
  const segments = segmentsOf(path);
  let best: { path: string; rank: string; parameters: Record<string, string> } | undefined;
  for (const template of new Set(routes.map((route) => route.path))) {
    const match = matchPath(segmentsOf(template), segments);
    if (match !== undefined && (best === undefined || match.rank < best.rank))
      best = { path: template, ...match };
  }
  if (best === undefined) return undefined;
  const candidates = routes.filter((route) => route.path === best.path);
  const route =
    candidates.find((each) => each.method === method) ??
    candidates.find((each) => each.method === 'ANY');
  return route && { route, pathParameters: best.parameters };
}

function matchPath(
  template: readonly string[],
  segments: readonly string[],
): { rank: string; parameters: Record<string, string> } | undefined {
  const parameters: Record<string, string> = {};
  let rank = '';
  for (const [index, part] of template.entries()) {
    const greedy = GREEDY.exec(part)?.[1];
    const value = segments[index];
    if (value === undefined) return undefined;
    if (greedy !== undefined) {
      parameters[greedy] = segments.slice(index).map(decode).join('/');
      return { rank: `${rank}2`, parameters };
    }
    const parameter = PARAMETER.exec(part)?.[1];
    if (parameter !== undefined) parameters[parameter] = decode(value);
    else if (part !== value) return undefined;
    rank += parameter === undefined ? '0' : '1';
  }
  return template.length === segments.length ? { rank, parameters } : undefined;
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
