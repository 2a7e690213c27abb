import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { requestSchema } from '../../core/request-lookup.ts';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

/** A model that answers at once and one that talks for minutes; limits where holds are looked for. */
const POLICY = `
time_zone: UTC
providers:
  openai: { kind: openai, base_url: https://api.openai.com, secret: openai }
models:
  fast:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 10K
    routes: [{ provider: openai, model: sim-small+tokens=20, price: { input: $1, output: $8 } }]
  endless:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 10K
    routes: [{ provider: openai, model: sim-small+ttft=50+tps=20+tokens=5000, price: { input: $1, output: $8 } }]
tenants:
  acme:
    teams:
      open:
        owner: open@example.com
        limits: { monthly_budget: "$1,000" }
        tier_limits: { shared: { monthly_budget: $500 } }
        per_user_limits: { monthly_budget: $10 }
      closed: { owner: closed@example.com }
    projects:
      open: { team: open }
`;

let gateway: RunningGateway;
let key: string;
let keyId: string;

beforeAll(async () => {
  const policy = join(mkdtempSync(join(tmpdir(), 'tollgate-lookup-')), 'policy.yaml');
  writeFileSync(policy, POLICY);
  gateway = await startGateway({ policy });
  ({ key, keyId } = await gateway.keyOf('open'));
});
afterAll(() => gateway.stop());

function post(path: string, body: object = {}): Promise<Response> {
  return fetch(`${gateway.baseUrl}/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function ask(model: string, stream: boolean): Promise<Response> {
  const messages = [{ role: 'user', content: 'Talk.' }];
  return post('/chat/completions', { model, stream, messages, user: 'ann' });
}

async function lookUp(id: string, query = '') {
  const { status, json } = await gateway.admin('GET', `/requests/${id}${query}`);
  expect([status, json]).toEqual([200, expect.anything()]);
  return requestSchema.parse(json);
}

it('finds a call that is over, with the tokens that its answer told', async () => {
  const response = await ask('fast', false);
  const answered = z
    .object({ usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }) })
    .parse(await response.json());
  const id = response.headers.get('x-request-id') ?? '';
  const found = await eventually(() => lookUp(id));
  expect(found).toMatchObject({
    state: 'closed',
    virtual_key_id: keyId,
    holds: [],
    event: {
      status: 200,
      user_id: 'ann',
      input_tokens: answered.usage.prompt_tokens,
      output_tokens: answered.usage.completion_tokens,
    },
    logs: { log_group: expect.stringContaining('Proxy') },
  });
});

it('finds a stream that runs by its key, with what it holds, until it is over', async () => {
  const response = await ask('endless', true);
  const id = response.headers.get('x-request-id') ?? '';
  const reading = response.text();
  const running = await lookUp(id, `?key=${keyId}`);
  expect(running).toMatchObject({ state: 'running', event: null, model_alias: 'endless' });
  // The user that the caller named itself is told by the event alone.
  expect(running.holds.map(({ scope }) => scope)).toEqual([
    `key:${keyId}`,
    'team:open',
    'team-tier:open/shared',
  ]);
  expect(running.holds[0]?.nano_usd).toBeGreaterThan(80_000_000);
  expect((await post(`/requests/${id}/cancel`)).status).toBe(202);
  expect((await lookUp(id, `?key=${keyId}`)).cancelled).toBe(true);
  await reading;
  const over = await eventually(() => lookUp(id));
  expect(over).toMatchObject({ state: 'closed', holds: [], event: { outcome: 'cancelled' } });
});

it('tells the lead of another team of a call what it tells of none', async () => {
  const response = await ask('fast', false);
  await response.text();
  const id = response.headers.get('x-request-id') ?? '';
  await eventually(() => lookUp(id));
  const none = 'req_0000000000000000000000';
  expect((await gateway.admin('GET', `/requests/${none}`)).status).toBe(404);
  const [own, foreign] = [await leadOf('open'), await leadOf('closed')];
  expect((await askedBy(own, id)).status).toBe(200);
  const refused = await askedBy(foreign, id);
  expect(refused.status).toBe(404);
  expect(refused).toEqual(await askedBy(foreign, none));
});

/** The admin key of a new lead. */
async function leadOf(teamId: string): Promise<string> {
  const whose = { tenantId: 'acme', teamId };
  const body = JSON.stringify({ id: `lead-${teamId}`, name: 'x', role: 'team-lead', ...whose });
  const { json } = await gateway.admin('POST', '/principals', body);
  return z.object({ key: z.string() }).parse(json).key;
}

/** The answer without the id that was asked for. */
async function askedBy(adminKey: string, id: string) {
  const response = await fetch(`${gateway.baseUrl}/admin/v1/requests/${id}?key=${keyId}`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  return { status: response.status, text: (await response.text()).replaceAll(id, '') };
}
