/** What a start asks of the gateway's own API: the policy in force, and a key to try it with. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { PolicySnapshot, Team } from '../core/catalog/snapshot.ts';
import { compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';

const TIMEOUT_MS = 30_000;

export interface Gateway {
  readonly baseUrl: string;
  readonly adminKey: string;
}

const demoKeySchema = z.object({
  keyId: z.string(),
  key: z.string(),
  teamId: z.string(),
  model: z.string(),
});
export type DemoKey = z.infer<typeof demoKeySchema>;

/** The refusal's text, or undefined when the policy is in force. */
export async function applyPolicy(gateway: Gateway, policy: string): Promise<string | undefined> {
  const type = 'application/yaml';
  let response = await callAdmin(gateway, { method: 'PUT', path: 'policy', type, body: policy });
  // A large policy is in force before all of its accounts are; the start waits for those too.
  while (response.status === 202)
    response = await callAdmin(gateway, { method: 'POST', path: 'policy/rollout', type, body: '' });
  const text = await response.text();
  if (response.ok) return undefined;
  return `the gateway refused the policy (${response.status}): ${text}`;
}

/** The key of the last start where it still works, otherwise a new one for the first project of the policy. */
export async function demoKey(gateway: Gateway, policy: string, dataDir: string): Promise<DemoKey> {
  const file = join(dataDir, 'demo-key.json');
  const known = readKnownKey(file);
  if (known !== undefined && (await works(gateway, known))) return known;
  const created = await createDemoKey(gateway, policy);
  writeFileSync(file, `${JSON.stringify(created, null, 2)}\n`, { mode: 0o600 });
  return created;
}

async function createDemoKey(gateway: Gateway, policy: string): Promise<DemoKey> {
  const parsed = parsePolicy(policy, 'policy');
  if (parsed.kind === 'invalid') throw new Error('no demo key can be made without a valid policy');
  const { snapshot } = compilePolicy(parsed.policy, 0, Date.now());
  const [project] = snapshot.projects;
  if (project === undefined)
    throw new Error('the policy has no project, so there is nothing to make a demo key for');
  const request = {
    tenantId: project.tenantId,
    teamId: project.teamId,
    projectId: project.id,
    owner: 'local demo',
  };
  const body = JSON.stringify(request);
  const response = await callAdmin(gateway, {
    method: 'POST',
    path: 'keys',
    type: 'application/json',
    body,
  });
  if (response.status !== 201)
    throw new Error(`no demo key (${response.status}): ${await response.text()}`);
  const answer: unknown = await response.json();
  const { keyId, key } = demoKeySchema.pick({ keyId: true, key: true }).parse(answer);
  const team = Object.values(snapshot.teams).find(
    ({ id, tenantId }) => id === project.teamId && tenantId === project.tenantId,
  );
  return { keyId, key, teamId: project.teamId, model: firstModel(snapshot, team) };
}

function firstModel(snapshot: PolicySnapshot, team: Team | undefined): string {
  const allowed = Object.values(snapshot.models).find(
    ({ alias, tier }) =>
      team?.tiers.includes(tier) && (team.models === undefined || team.models.includes(alias)),
  );
  return allowed?.alias ?? 'no-model-is-allowed';
}

async function works({ baseUrl }: Gateway, { key }: DemoKey): Promise<boolean> {
  const response = await fetch(`${baseUrl}/v1/models`, {
    headers: { Authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
  return response.ok;
}

interface AdminCall {
  readonly method: string;
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

function callAdmin(
  { baseUrl, adminKey }: Gateway,
  { method, path, type, body }: AdminCall,
): Promise<Response> {
  return fetch(`${baseUrl}/admin/v1/${path}`, {
    method,
    body,
    headers: { Authorization: `Bearer ${adminKey}`, 'Content-Type': type },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

function readKnownKey(file: string): DemoKey | undefined {
  try {
    return demoKeySchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // The first start, or a file of an older version.
    return undefined;
  }
}
