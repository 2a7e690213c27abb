/**
 * Managed instances run many calls in one worker at once. The handler as deployed, over a real table engine, serves
 * hundreds of calls of several tenants whose streams are interleaved piece by piece; whatever a call leaves must be its own.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { counterValue } from '../../../core/limits/account.ts';
import { readScope } from '../../../core/limits/account-store.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { ENV } from '../../../core/names.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createAws } from '../../../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { createLeanDynamo } from '../../../lambdas/adapters/dynamo-lean.ts';
import { type AwsStub, startAwsStub } from '../../support/aws-stub.ts';
import {
  type EchoProvider,
  kindOf,
  startEchoProvider,
  TOKENS,
} from '../../support/echo-provider.ts';
import { openKeyHouse } from '../../support/key-house.ts';
import { openWorker, type Worker } from '../../support/worker.ts';

const TEAMS = 6;
const CALLS = 360;
const AT_ONCE = 90;

interface Caller {
  readonly tenantId: string;
  readonly keyId: string;
  readonly key: string;
}

interface Made {
  readonly index: number;
  readonly caller: Caller;
  readonly answer: Awaited<ReturnType<Worker['call']>>;
}

let house: Awaited<ReturnType<typeof openKeyHouse>>;
let provider: EchoProvider;
let aws: AwsStub;
let worker: Worker;
let callers: Caller[];
let made: Made[];

beforeAll(async () => {
  provider = await startEchoProvider();
  house = await openKeyHouse({ nowMs: Date.now }, policyOf(provider.url));
  aws = await startAwsStub((response, { body }) => {
    const Records = recordsIn(body).map(() => ({ SequenceNumber: '1' }));
    response.end(JSON.stringify({ Records }));
  });
  worker = await openWorker({
    [ENV.accountsTable]: 'accounts',
    [ENV.rollupsTable]: 'rollups',
    [ENV.catalogTable]: 'catalog',
    [ENV.usageStream]: 'usage',
    [ENV.spillQueueUrl]: 'http://127.0.0.1:1/spill',
    [ENV.providerSecrets]: '{}',
    [ENV.cacheSecret]: 'none',
    [ENV.leases]: 'on',
    [ENV.observation]: '{}',
    [ENV.stage]: 'test',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL: aws.url,
    AWS_ENDPOINT_URL_DYNAMODB: house.dynamoUrl,
  });
  callers = [];
  for (let team = 0; team < TEAMS; team += 1) callers.push(await newCaller(`t${team}`));
  made = await makeCalls();
}, 60_000);

afterAll(async () => {
  worker?.close();
  provider?.close();
  aws?.close();
  await house?.close();
});

function policyOf(url: string): string {
  const tenants = Array.from({ length: TEAMS }, (_, index) => {
    const limits = `{ concurrent_requests: 500, monthly_budget: $1000, requests_per_minute: 10K }`;
    return `  t${index}: { teams: { a: { owner: ann, limits: ${limits} } }, projects: { web: { team: a } } }`;
  });
  return `time_zone: UTC
providers: { echo: { kind: openai, base_url: ${JSON.stringify(url)} } }
models:
  chat:
    tier: shared
    context_tokens: 10K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: echo, model: chat, price: { input: $1, output: $2 } }]
tenants:
${tenants.join('\n')}
`;
}

async function newCaller(tenantId: string): Promise<Caller> {
  const { status, body } = await house.ask('createKey', {
    body: { tenantId, teamId: 'a', projectId: 'web', owner: 'ann' },
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return { tenantId, keyId: body.keyId, key: body.key };
}

/** So many run at once; as one ends the next begins, so that all stages of calls meet in the worker. */
async function makeCalls(): Promise<Made[]> {
  const results: Made[] = [];
  let next = 0;
  async function lane(): Promise<void> {
    for (let index = next++; index < CALLS; index = next++) {
      const caller = callers[index % TEAMS];
      if (caller === undefined) throw new Error('no caller');
      const answer = await worker.call(caller.key, {
        body: { model: 'chat', stream: true, messages: [{ role: 'user', content: `<${index}>` }] },
        onHead: (requestId) => {
          if (kindOf(index) === 'cancelled')
            void worker.call(caller.key, { path: `/v1/requests/${requestId}/cancel` });
        },
        leavesAfter: kindOf(index) === 'left' ? 3 : undefined,
      });
      results.push({ index, caller, answer });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return results;
}

async function accountOf({ keyId }: Caller) {
  const { accounts } = createLeanDynamo(createAws({ clock: systemClock }));
  const store = createDynamoAccounts({ dynamo: accounts, tableName: 'accounts' });
  const account = await readScope(store, accountKey({ kind: 'key', keyId }));
  if (account === undefined) throw new Error('no account');
  return account;
}

function recordsIn(body: string): readonly { readonly Data: string }[] {
  return JSON.parse(body).Records ?? [];
}

const eventsById = () => {
  const puts = aws.seen.filter(({ operation }) => operation === 'PutRecords');
  const events = puts
    .flatMap(({ body }) => recordsIn(body))
    .map(({ Data }): UsageEvent => JSON.parse(Buffer.from(Data, 'base64').toString()));
  return Map.groupBy(events, ({ request_id }) => request_id);
};

it('calls were in the worker at the same time, and their pieces came in turns', () => {
  expect(made).toHaveLength(CALLS);
  expect(worker.mostAtOnce()).toBeGreaterThan(AT_ONCE / 2);
  expect(worker.turns()).toBeGreaterThan(CALLS * 4);
});

it('an answer holds the words of its own call and nothing of another', () => {
  for (const { index, answer } of made) {
    const marks = new Set(answer.text.match(/<\d+>/g));
    expect([...marks]).toEqual(kindOf(index) === 'refused' ? [] : [`<${index}>`]);
    expect(answer.status).toBe(kindOf(index) === 'refused' ? 400 : 200);
    expect(answer.text.includes('[DONE]')).toBe(kindOf(index) === 'whole');
    expect(answer.isBroken).toBe(kindOf(index) === 'left');
  }
  expect(new Set(made.map(({ answer }) => answer.requestId)).size).toBe(CALLS);
});

it('a call has one usage event, of its own tenant and key, with its own tokens and end', () => {
  const events = eventsById();
  expect(events.size).toBe(CALLS);
  const outcomes = {
    whole: 'ok',
    left: 'cancelled',
    cancelled: 'cancelled',
    refused: 'error',
    broken: 'error',
  };
  for (const { index, caller, answer } of made) {
    const told = events.get(answer.requestId) ?? [];
    expect(told).toHaveLength(1);
    const kind = kindOf(index);
    const isReported = kind === 'whole';
    expect(told[0]).toMatchObject({
      tenant_id: caller.tenantId,
      virtual_key_id: caller.keyId,
      status: answer.status,
      outcome: outcomes[kind],
      ...(isReported ? { input_tokens: TOKENS.inputOf(index), output_tokens: TOKENS.output } : {}),
    });
  }
});

it('the lines of a call carry its own request id, tenant, project and key', () => {
  const lines = worker.lines();
  const told = Map.groupBy(
    lines.filter(({ message, path }) => message === 'request' && path === '/v1/chat/completions'),
    ({ requestId }) => requestId,
  );
  const metrics = Map.groupBy(
    lines.filter((line) => '_aws' in line),
    ({ requestId }) => requestId,
  );
  for (const { caller, answer } of made) {
    expect(metrics.get(answer.requestId)).toHaveLength(1);
    expect(told.get(answer.requestId)).toMatchObject([
      { tenantId: caller.tenantId, virtualKeyId: caller.keyId, status: answer.status },
    ]);
  }
});

it('counts every call once in the metrics that calls share', () => {
  const sums = worker.lines().flatMap(({ Requests = [] }) => Requests);
  const sum = sums.reduce((all: number, each: number) => all + each, 0);
  expect(sum).toBe(CALLS + made.filter(({ index }) => kindOf(index) === 'cancelled').length);
});

it('accounts hold nothing, and each has settled what its own calls used', async () => {
  const events = [...eventsById().values()].flat();
  for (const caller of callers) {
    const own = events.filter(({ virtual_key_id }) => virtual_key_id === caller.keyId);
    const account = await accountOf(caller);
    expect(account.holds.size).toBe(0);
    const spent = own.reduce((all, { cost_nano_usd }) => all + cost_nano_usd, 0);
    const { month } = calendarDay(Date.now(), 'UTC');
    expect(counterValue(account, 'settledNanoUsd', month)).toBe(spent);
    expect(spent).toBeGreaterThan(0);
  }
});

it('does not see another tenant’s call', async () => {
  const [first, second] = made.filter(({ index }) => kindOf(index) === 'whole');
  if (first === undefined || second === undefined) throw new Error('no calls');
  const path = `/v1/requests/${first.answer.requestId}/cancel`;
  const answer = await worker.call(second.caller.key, { path });
  expect(answer.status).toBe(404);
});
