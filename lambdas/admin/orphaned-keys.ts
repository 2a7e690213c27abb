/** Keys whose project goes with a change of the policy: their calls are refused from then on. */
import type { TreeChange } from '../../core/governance/diff.ts';
import { at, namesOf, type Tree } from '../../core/governance/tree.ts';
import type { KeyStore } from './key-store.ts';

/** More of them nobody reads; the rest is named when these are gone. */
const MAX_NAMED = 100;

export interface Trees {
  readonly before: Tree;
  readonly after: Tree;
}

/**
 * Ids of keys that the API has made for a project that goes or changes its team, and that still work. A key that the
 * policy declares goes with it or is declared for another project.
 */
export async function orphanedKeys(
  keys: Pick<KeyStore, 'list'>,
  changes: readonly TreeChange[],
  trees: Trees,
): Promise<readonly string[]> {
  const orphaned: string[] = [];
  for (const project of lostProjects(changes, trees)) {
    let after: string | undefined;
    do {
      const page = await keys.list(project, { limit: MAX_NAMED, after });
      const working = page.records.filter(
        ({ isDeclared, status }) => isDeclared !== true && status !== 'revoked',
      );
      orphaned.push(...working.map(({ keyId }) => keyId));
      if (orphaned.length >= MAX_NAMED) return orphaned.slice(0, MAX_NAMED);
      after = page.next;
    } while (after !== undefined);
  }
  return orphaned;
}

/** A team that is gone has no projects any more, so projects say it all. */
function lostProjects(changes: readonly TreeChange[], { before, after }: Trees) {
  const all = changes.some(({ path }) => path[0] === 'tenants' && path.length === 1);
  const touched = new Set(
    changes.flatMap(({ path }) => (path[0] === 'tenants' ? (path[1] ?? []) : [])),
  );
  const tenants = all ? namesOf(at(before, ['tenants'])) : [...touched];
  return tenants.flatMap((tenantId) => {
    const projects = ['tenants', tenantId, 'projects'];
    const teamIn = (tree: Tree, projectId: string) => at(tree, [...projects, projectId, 'team']);
    return namesOf(at(before, projects)).flatMap((projectId) => {
      const teamId = teamIn(before, projectId);
      return typeof teamId === 'string' && teamIn(after, projectId) !== teamId
        ? [{ tenantId, teamId, projectId }]
        : [];
    });
  });
}
