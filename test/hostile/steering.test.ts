import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Provider } from '../../core/catalog/snapshot.ts';
import { type FaultProvider, startFaultProvider } from '../support/fault-provider.ts';
import { createTestGateway, type TestGateway } from '../support/gateway.ts';
import { type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider.ts';
import { originOf } from '../support/upstream-calls.ts';
import { PROMPTS } from './dialects.ts';

/** In every value that a caller sends to steer: it must not reach the provider. */
const CANARY = 'canary-of-a-caller';
const PROVIDER_KEY = 'sk-provider-of-the-platform';
const KINDS: readonly Provider['kind'][] = [
  'openai',
  'anthropic',
  'bedrock',
  'azure-openai',
  'vllm',
  'openai-compatible',
];

let provider: ScriptedProvider;
let wire: FaultProvider;
let trap: net.Server;
let trapUrl: string;
let hits = 0;
let gateways: readonly { kind: Provider['kind']; g: TestGateway }[];
beforeAll(async () => {
  [provider, wire] = await Promise.all([startScriptedProvider(), startFaultProvider()]);
  trap = net.createServer((socket) => {
    hits += 1;
    socket.destroy();
  });
  trap.listen(0, '127.0.0.1');
  await once(trap, 'listening');
  trapUrl = originOf(trap);
  gateways = KINDS.map((kind) => ({ kind, g: withKey(provider.url, kind) }));
});
afterAll(async () => {
  for (const { g } of gateways) g.close();
  trap.close();
  await Promise.all([provider.close(), wire.close()]);
});
beforeEach(() => {
  hits = 0;
});

function withKey(providerUrl: string, kind: Provider['kind'] = 'openai'): TestGateway {
  const g = createTestGateway({ providerUrl, kind });
  Object.assign(g.ports.providerKeys, { get: async () => PROVIDER_KEY });
  return g;
}

/** What incidents and other gateways' features teach a caller to try, by the name of the field. */
const BODY_FIELDS: Readonly<Record<string, unknown>> = {
  api_base: 'URL',
  base_url: 'URL',
  baseURL: 'URL',
  api_url: 'URL',
  url: 'URL',
  endpoint: 'URL',
  custom_host: 'URL',
  proxy: 'URL',
  proxies: { https: 'URL' },
  webhook_url: 'URL',
  callback_url: 'URL',
  success_callback: ['URL'],
  azure_endpoint: 'URL',
  aws_bedrock_runtime_endpoint: 'URL',
  aws_region_name: CANARY,
  region: CANARY,
  api_key: CANARY,
  api_version: CANARY,
  organization: CANARY,
  headers: { authorization: CANARY, host: 'URL' },
  extra_headers: { 'x-api-key': CANARY },
  extra_body: { api_base: 'URL', [CANARY]: 1 },
  extra_query: { api_base: 'URL' },
  user_config: { model_list: [{ litellm_params: { api_base: 'URL' } }] },
  litellm_params: { api_base: 'URL', api_key: CANARY },
  mock_response: CANARY,
  custom_llm_provider: CANARY,
  provider: { order: [CANARY], base_url: 'URL' },
  route: CANARY,
  fallbacks: [{ model: CANARY, api_base: 'URL' }],
  model_list: [{ model: CANARY }],
  input_cost_per_token: 0,
  output_cost_per_token: 0,
  price: { input: 0, output: 0 },
  cache_salt: CANARY,
  priority: -1_000,
  chat_template: CANARY,
  kv_transfer_params: { remote_host: 'URL' },
  mm_processor_kwargs: { a: CANARY },
  web_search_options: { user_location: CANARY },
  mcp_servers: [{ type: 'url', url: 'URL' }],
  plugins: [{ id: CANARY }],
  tools: [{ type: 'mcp', server_url: 'URL', server_label: CANARY }],
  service_tier: 'priority',
  prediction: { type: 'content', content: CANARY },
  guardrailConfig: { guardrailIdentifier: CANARY },
  additionalModelRequestFields: { a: CANARY },
  metadata: { api_base: 'URL', user_id: CANARY },
  user: CANARY,
  safety_identifier: CANARY,
  prompt_cache_key: CANARY,
};

const HEADERS: Readonly<Record<string, string>> = {
  host: 'URL',
  forwarded: 'for=URL;host=URL',
  'x-forwarded-host': 'URL',
  'x-original-url': 'URL',
  'x-rewrite-url': 'URL',
  'x-http-method-override': CANARY,
  'x-portkey-custom-host': 'URL',
  'x-portkey-config': '{"custom_host":"URL"}',
  'x-portkey-provider': CANARY,
  'x-portkey-forward-headers': 'x-canary',
  'x-litellm-api-base': 'URL',
  'helicone-target-url': 'URL',
  'cf-aig-custom-cost': '{"per_token_in":0,"canary":"canary-of-a-caller"}',
  'x-upstream-url': 'URL',
  'x-base-url': 'URL',
  'api-key': CANARY,
  'x-goog-api-key': CANARY,
  'openai-organization': CANARY,
  'openai-project': CANARY,
  'anthropic-version': CANARY,
  'anthropic-beta': CANARY,
  'x-amz-security-token': CANARY,
  'x-amzn-bedrock-guardrailidentifier': CANARY,
  'proxy-authorization': CANARY,
  cookie: CANARY,
  'x-request-id': CANARY,
  traceparent: CANARY,
  'user-agent': CANARY,
  'accept-encoding': CANARY,
  'content-type': `application/json; canary=${CANARY}`,
  'x-tollgate-cache-salt': CANARY,
  'x-tollgate-model': CANARY,
  'x-tollgate-price': '0',
};

function aimed<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll('URL', `${trapUrl}/${CANARY}`));
}

/** A long body is put together from the caller's own bytes, a short one is written anew. */
const CALLS = PROMPTS.flatMap(({ path, body }) =>
  Object.entries({ short: 'Hi', long: 'Hi '.repeat(4_000) }).map(([length, content]) => ({
    ...{ path, length, content },
    body: Object(JSON.parse(JSON.stringify(body).replace('Hi', content))),
  })),
);

describe.each(CALLS)('a caller of $path with a $length prompt', ({ path, content, body }) => {
  it('reaches every kind of provider with the platform’s key, at the policy’s price', async () => {
    for (const { kind, g } of gateways) {
      const { sent, event } = await factsOf(g, { body });
      const key = JSON.stringify(sent?.headers ?? {}).includes(PROVIDER_KEY);
      expect({ kind, key, price: event?.price_version }).toEqual({ kind, key: true, price: 'p1' });
    }
  });

  it.each(Object.entries(BODY_FIELDS))('cannot steer by the field %s', async (field, value) => {
    await expectUnsteered({ body: { ...body, [field]: aimed(value) } });
  });

  it.each(Object.keys(BODY_FIELDS))(
    'cannot steer by the field %s within a message',
    async (field) => {
      const nested = { role: 'user', content, [field]: aimed(BODY_FIELDS[field]) };
      const own = path.endsWith('responses') ? { input: [nested] } : { messages: [nested] };
      await expectUnsteered({ body: { ...body, ...own }, isPrompt: true });
    },
  );

  it.each(Object.entries(HEADERS))('cannot steer by the header %s', async (header, value) => {
    await expectUnsteered({ body, headers: { [header]: aimed(value) } });
  });

  it('cannot steer by the name of a model', async () => {
    const hostless = trapUrl.slice('http://'.length);
    for (const model of [trapUrl, `sim-small@${hostless}`, `sim-small?x=${trapUrl}`, '../v1/files'])
      await expectUnsteered({ body: { ...body, model } });
  });

  /** Whatever was answered: nobody was called but the provider, in the gateway's own words alone. */
  async function expectUnsteered({
    body: sentBody,
    headers = {},
    isPrompt = false,
  }: {
    body: object;
    headers?: Record<string, string>;
    isPrompt?: boolean;
  }) {
    for (const { kind, g } of gateways) {
      provider.sent.length = 0;
      g.events.length = 0;
      const plain = await factsOf(g, { body });
      const steered = await factsOf(g, { body: sentBody, headers });
      expect({ kind, hits, status: steered.status < 500 || steered.status === 502 }).toEqual({
        kind,
        hits: 0,
        status: true,
      });
      if (steered.sent === undefined) continue;
      // A prompt may name any address; the gateway fetches none.
      if (!isPrompt) expect(JSON.stringify(steered.sent)).not.toContain(CANARY);
      expect(steered.sent.path).toBe(plain.sent?.path);
      expect(identity(steered.sent)).toEqual(identity(plain.sent));
      expect(steered.event?.price_version).toBe(plain.event?.price_version);
    }
  }

  async function factsOf(
    g: TestGateway,
    { body: own, headers = {} }: { body: object; headers?: Record<string, string> },
  ) {
    const answer = await g.call({ method: 'POST', path, body: own, headers });
    await answer.closed;
    return { status: answer.status, sent: provider.sent.pop(), event: g.events.pop() };
  }
});

/** What only the gateway decides of a call. */
function identity(sent: ScriptedProvider['sent'][number] | undefined) {
  const { headers, body } = Object(sent ?? { headers: {}, body: {} });
  const { authorization, 'x-api-key': key, 'api-key': azureKey, host, cookie } = headers;
  const { model, cache_salt, priority, service_tier, store } = Object(body);
  return {
    authorization,
    key,
    azureKey,
    host,
    cookie,
    model,
    cache_salt,
    priority,
    service_tier,
    store,
  };
}

describe('an image by its address', () => {
  it('is never fetched by the gateway: the provider gets the address or the caller a refusal', async () => {
    const url = `${trapUrl}/image.png`;
    const https = url.replace('http:', 'https:');
    const prompts = [
      [
        '/v1/chat/completions',
        { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] },
      ],
      [
        '/v1/messages',
        {
          max_tokens: 9,
          messages: [
            { role: 'user', content: [{ type: 'image', source: { type: 'url', url: https } }] },
          ],
        },
      ],
      [
        '/v1/responses',
        { input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] },
      ],
    ] as const;
    for (const { kind, g } of gateways)
      for (const [path, body] of prompts) {
        provider.sent.length = 0;
        const answer = await g.call({
          method: 'POST',
          path,
          body: { model: 'sim-small', ...body },
        });
        await answer.closed;
        const passed = JSON.stringify(provider.sent[0]?.body ?? null).includes('image.png');
        const isRefused = answer.status === 400 && provider.sent.length === 0;
        expect({ kind, path, passed: passed || isRefused }).toEqual({ kind, path, passed: true });
        // A server inside our own network would fetch it from there.
        if (kind === 'vllm') expect(answer.status).toBe(400);
      }
    expect(hits).toBe(0);
  });
});

describe('a provider that points elsewhere', () => {
  it.each(['301', '302', '303', '307', '308'])('with a %s is not followed', async (code) => {
    for (const stream of [false, true]) {
      const g = withKey(`${wire.origin}/redirect?code=${code}&to=${encodeURIComponent(trapUrl)}`);
      const answer = await g.chat({ stream });
      await answer.closed;
      g.close();
      expect(answer.status).toBe(502);
      expect(`${answer.text}${JSON.stringify(answer.headers)}`).not.toContain(trapUrl);
    }
    expect(hits).toBe(0);
  });

  it('with hints of other addresses is not followed', async () => {
    const g = withKey(`${wire.origin}/early-hints?to=${encodeURIComponent(trapUrl)}`);
    const answer = await g.chat({});
    await answer.closed;
    g.close();
    expect(JSON.stringify(answer.headers)).not.toContain(trapUrl);
    expect(hits).toBe(0);
  });
});
