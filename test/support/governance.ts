/** The operations of governance over a real engine, called through the router. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { AuditRecord } from '../../core/governance/audit.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { createIdentify } from '../../lambdas/admin/identify.ts';
import type { AdminRoute } from '../../lambdas/admin/route.ts';
import { answerRequest } from '../../lambdas/admin/router.ts';
import { applyFile, openControlPlane } from './control-plane.ts';
import { DYNOXIDE_CREDENTIALS, startDynoxide } from './dynoxide.ts';

export const POLICY = `
time_zone: UTC
providers:
  own: { kind: vllm, base_url: "http://vllm.internal:8000" }
models:
  fast:
    tier: shared
    context_tokens: 8K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: own, model: llama, free: "true" }]
tenants:
  acme:
    limits: { monthly_budget: $1K }
    teams:
      search: { owner: ann, limits: { monthly_budget: $100, daily_quota: 1M } }
      support: { owner: bob, limits: { monthly_budget: $100 } }
    projects:
      web: { team: search, limits: { monthly_budget: $50 } }
  other:
    limits: { monthly_budget: $1K }
    teams:
      lab: { owner: eve, limits: { monthly_budget: $100 } }
`;

/** A week before the month's end. */
const NOW = Date.UTC(2026, 10, 23, 22);

export interface Call {
  readonly as: Principal;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  /** As a client reads it. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly operation: string;
}

export type Governance = Awaited<ReturnType<typeof startGovernance>>;

export async function startGovernance(binary: string) {
  const { client, stop } = await startEngine(binary);
  let nowMs = NOW;
  const clock = { nowMs: () => nowMs };
  const plane = await openControlPlane(client, clock);
  const { principals, audit } = plane;
  const change = plane.ports.change;
  await applyFile(change, POLICY);
  const identify = createIdentify({
    client,
    catalogTable: 'catalog',
    principals,
    rootSecret: async () => 'the-secret-of-the-root',
    clock,
  });
  return {
    ...plane,
    client,
    stop,
    clock,
    identify,
    apply: (text: string) => applyFile(change, text),
    enforce: plane.ports.overrides.enforce,
    advance: (ms: number) => {
      nowMs += ms;
    },
    call: (call: Call) => answer(plane.routes, call),
    records: async (): Promise<readonly AuditRecord[]> =>
      (await audit.recent({ from: '2026', to: '2099', limit: 10_000 }, {})).records,
  };
}

async function answer(routes: readonly AdminRoute[], call: Call): Promise<Answered> {
  let operation = '';
  const watched = routes.map((route) => ({
    ...route,
    target: (input: Parameters<AdminRoute['target']>[0]) => {
      operation = route.operation;
      return route.target(input);
    },
  }));
  const { status, body } = await answerRequest(watched, {
    method: call.method,
    path: call.path,
    query: call.query ?? {},
    body: textOf(call.body),
    principal: call.as,
    ifMatch: undefined,
    reason: undefined,
    sourceIp: '192.0.2.1',
    requestId: 'req_test',
  });
  if (status < 300) routes.find((each) => each.operation === operation)?.answer.parse(body);
  return { status, body: JSON.parse(JSON.stringify(body)), operation };
}

function textOf(body: unknown): string {
  return body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
}

async function startEngine(binary: string) {
  const engine = await startDynoxide(binary);
  const client = new DynamoDBClient({
    endpoint: engine.url,
    region: 'us-east-1',
    credentials: DYNOXIDE_CREDENTIALS,
    maxAttempts: 10,
  });
  return {
    client,
    async stop() {
      client.destroy();
      await engine.stop();
    },
  };
}
