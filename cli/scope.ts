/** How a scope is written on the command line: `acme`, `acme/search`, `acme/search/search-api`. */
import { segment } from './admin-client.ts';
import { CliError } from './cli-error.ts';

export interface NamedScope {
  readonly tenantId: string;
  readonly teamId?: string;
  readonly projectId?: string;
}

export function readScope(text: string): NamedScope {
  const [tenantId = '', teamId, projectId, ...more] = text.split('/');
  if ([tenantId, teamId, projectId].includes('') || more.length > 0)
    throw new CliError(`"${text}" is none of tenant, tenant/team and tenant/team/project.`);
  return {
    tenantId,
    ...(teamId === undefined ? {} : { teamId }),
    ...(projectId === undefined ? {} : { projectId }),
  };
}

/** Its address below `/admin/v1`. */
export function addressOf({ tenantId, teamId, projectId }: NamedScope): string {
  const tenant = `/tenants/${segment(tenantId)}`;
  if (projectId !== undefined) return `${tenant}/projects/${segment(projectId)}`;
  return teamId === undefined ? tenant : `${tenant}/teams/${segment(teamId)}`;
}

export function scopeText(scope: {
  readonly tenantId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
}): string {
  const { tenantId, teamId, projectId } = scope;
  return [tenantId ?? '*', teamId, projectId].filter((part) => part !== undefined).join('/');
}
