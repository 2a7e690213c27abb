/** Names in the rules of who may use what: models, providers, and the places that tokens may lead to. */
import { entries, type FileTenant, type Finding, type Outline, reference } from './outline.ts';
import type { Path } from './yaml-tree.ts';

export function accessFindings(outline: Outline): Finding[] {
  return [
    ...entries(outline.models).flatMap(([alias, { deprecated }]) =>
      replacementFindings(outline, alias, deprecated?.replacement),
    ),
    ...entries(outline.tenants).flatMap(([id, tenant]) =>
      tenantFindings(outline, tenant, ['tenants', id]),
    ),
    ...entries(outline.sso).flatMap(([id, issuer]) => [
      ...models(outline, issuer.models, ['sso', id, 'models']),
      ...(issuer.rules ?? []).flatMap((rule, index) =>
        ruleFindings(outline, rule ?? {}, ['sso', id, 'rules', index]),
      ),
    ]),
  ];
}

function replacementFindings(
  outline: Outline,
  alias: string,
  replacement: string | undefined,
): Finding[] {
  const path = ['models', alias, 'deprecated', 'replacement'];
  if (replacement === alias) return [{ path, part: 'value', expected: 'another model' }];
  return reference(replacement, path, { what: 'a model of this policy', names: outline.models });
}

function tenantFindings(outline: Outline, tenant: FileTenant, path: Path): Finding[] {
  const providers = tenant.data_may_go_to?.providers ?? [];
  return [
    ...models(outline, tenant.models, [...path, 'models']),
    ...entries(tenant.keys).flatMap(([id, key]) =>
      models(outline, key.models, [...path, 'keys', id, 'models']),
    ),
    ...providers.flatMap((provider, index) =>
      reference(provider, [...path, 'data_may_go_to', 'providers', index], {
        what: 'a provider of this policy',
        names: outline.providers,
      }),
    ),
  ];
}

function models(
  outline: Outline,
  aliases: readonly (string | undefined)[] | undefined,
  path: Path,
): Finding[] {
  return (aliases ?? []).flatMap((alias, index) =>
    reference(alias, [...path, index], { what: 'a model of this policy', names: outline.models }),
  );
}

interface Rule {
  readonly tenant?: string | undefined;
  readonly team?: string | undefined;
  readonly project?: string | undefined;
}

/** What a claim will say is not known here; a name that is written down must exist. */
function ruleFindings(outline: Outline, { tenant, team, project }: Rule, path: Path): Finding[] {
  const named = isName(tenant) ? outline.tenants?.[tenant] : undefined;
  const found = (name: string | undefined, part: string, names: Parameters<typeof reference>[2]) =>
    isName(name) ? reference(name, [...path, part], names) : [];
  return [
    ...found(tenant, 'tenant', { what: 'a tenant of this policy', names: outline.tenants }),
    ...found(team, 'team', { what: 'a team of this tenant', names: named?.teams }),
    ...found(project, 'project', { what: 'a project of this tenant', names: named?.projects }),
  ];
}

function isName(text: string | undefined): text is string {
  return text !== undefined && !text.startsWith('claim:');
}
