import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Provider } from '../../core/catalog/snapshot.ts';
import type { Conversation } from '../../core/dialects/conversation.ts';
import type { Dialect } from '../../core/dialects/dialect.ts';
import { chatCall } from '../../core/dialects/openai/chat-call.ts';
import { OUTBOUND } from '../../core/dialects/outbound.ts';
import type { Dispatch } from '../../core/providers/provider.ts';
import { PROVIDERS, spokenBy } from '../../core/providers/registry.ts';
import { bodyText } from '../support/body-text.ts';

const KEY = 'provider-key-canary';
const COMMON = { connectTimeoutMs: 1, firstByteTimeoutMs: 1, idleTimeoutMs: 1 };

/** One provider of each way in which a policy can set up a kind, and where its chat is asked. */
const SETUPS: readonly (Provider & { readonly chatUrl: string; readonly keyHeader: string })[] = [
  {
    ...COMMON,
    id: 'openai',
    kind: 'openai',
    baseUrl: 'https://api.openai.com',
    chatUrl: 'https://api.openai.com/v1/chat/completions',
    keyHeader: 'authorization',
  },
  {
    ...COMMON,
    id: 'claude',
    kind: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    chatUrl: 'https://api.anthropic.com/v1/messages',
    keyHeader: 'x-api-key',
  },
  {
    ...COMMON,
    id: 'azure',
    kind: 'azure-openai',
    baseUrl: 'https://res.openai.azure.com',
    chatUrl: 'https://res.openai.azure.com/openai/v1/chat/completions',
    keyHeader: 'api-key',
  },
  {
    ...COMMON,
    id: 'azure-dated',
    kind: 'azure-openai',
    baseUrl: 'https://res.openai.azure.com',
    apiVersion: '2024-10-21',
    chatUrl:
      'https://res.openai.azure.com/openai/deployments/MODEL/chat/completions?api-version=2024-10-21',
    keyHeader: 'api-key',
  },
  {
    ...COMMON,
    id: 'aws',
    kind: 'bedrock',
    baseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    region: 'us-east-1',
    chatUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com/model/MODEL/converse',
    keyHeader: 'authorization',
  },
  {
    ...COMMON,
    id: 'groq',
    kind: 'openai-compatible',
    baseUrl: 'https://api.groq.com/openai',
    chatUrl: 'https://api.groq.com/openai/v1/chat/completions',
    keyHeader: 'authorization',
  },
  {
    ...COMMON,
    id: 'gemini',
    kind: 'openai-compatible',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    apiPath: '/openai',
    embeddings: true,
    chatUrl: 'https://generativelanguage.googleapis.com/v1beta/openai/chat/completions',
    keyHeader: 'authorization',
  },
  {
    ...COMMON,
    id: 'gpus',
    kind: 'vllm',
    baseUrl: 'http://vllm.internal:8000',
    schedulesByPriority: true,
    chatUrl: 'http://vllm.internal:8000/v1/chat/completions',
    keyHeader: 'authorization',
  },
];

function dispatchTo(provider: Provider, given: Partial<Dispatch> = {}): Dispatch {
  const dialect = spokenBy(provider)[0] ?? 'openai-chat';
  return {
    provider,
    dialect,
    model: 'm',
    stream: false,
    apiKey: KEY,
    requestId: 'req_1',
    ...given,
  };
}

const request = (provider: Provider, given: Partial<Dispatch> = {}) =>
  PROVIDERS[provider.kind].request(dispatchTo(provider, given));

function extraOf(provider: Provider, facts: { tenantId?: string; cacheSecret?: string } = {}) {
  return (
    PROVIDERS[provider.kind].extra?.({
      provider,
      dialect: dispatchTo(provider).dialect,
      tenantId: 'acme',
      priority: 'high',
      cacheSecret: 'a secret that nobody can guess',
      ...facts,
    }) ?? {}
  );
}

/** Everything that vendors and servers have been steered by through a body or a header. */
const STEERING = {
  api_base: 'https://evil.example',
  base_url: 'https://evil.example',
  api_key: 'evil',
  api_version: '../evil',
  extra_headers: { host: 'evil.example' },
  extra_body: { model: 'evil' },
  organization: 'evil',
  cache_salt: 'evil',
  priority: -99,
  request_id: 'evil',
  vllm_xargs: { a: 1 },
  kv_transfer_params: { remote_host: 'evil.example' },
  chat_template: '{{ evil }}',
  prompt_logprobs: 1,
  input_cost_per_token: 0,
  additionalModelRequestFields: { evil: 1 },
  guardrailConfig: { guardrailIdentifier: 'evil' },
};

describe.each(SETUPS)('a provider of kind $kind as $id', (setup) => {
  const { chatUrl, keyHeader, ...provider } = setup;

  it('is asked where the policy says, and the model is one segment of the path at most', () => {
    const model = 'a/b:c?d#e/../f ü';
    expect(request(provider, { model }).url).toBe(
      chatUrl.replace('MODEL', encodeURIComponent(model)),
    );
  });

  it('stays at its own origin and path, whatever the model is called', () => {
    const { origin } = new URL(provider.baseUrl);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (model) => {
        // The policy refuses these two, which no encoding keeps from climbing.
        fc.pre(model !== '.' && model !== '..');
        const url = new URL(request(provider, { model }).url);
        expect(url.origin).toBe(origin);
        expect(url.username + url.password + url.hash).toBe('');
        expect(url.pathname.split('/')).toHaveLength(new URL(chatUrl).pathname.split('/').length);
      }),
    );
  });

  it('gets its key in one header and nowhere else, and none where there is none', () => {
    const { url, headers, sign } = request(provider);
    const holders = Object.entries(headers).filter(([, value]) => value.includes(KEY));
    expect(holders.map(([name]) => name)).toEqual([keyHeader]);
    expect(url).not.toContain(KEY);
    expect(sign).toBeUndefined();
    expect(JSON.stringify(extraOf(provider))).not.toContain(KEY);
    const open = request(provider, { apiKey: undefined });
    expect(open.headers).not.toHaveProperty(keyHeader);
    expect(open.sign).toEqual(
      provider.kind === 'bedrock' ? { service: 'bedrock', region: 'us-east-1' } : undefined,
    );
  });

  it('is sent a fixed set of headers in lower case, and asked for what it is to answer', () => {
    const fixed = ['content-type', 'accept', 'x-request-id', 'anthropic-version'];
    const allowed = new Set([...fixed, keyHeader]);
    for (const stream of [false, true]) {
      const { headers } = request(provider, { stream });
      for (const name of Object.keys(headers)) expect(allowed).toContain(name);
      expect(headers['content-type']).toBe('application/json');
      expect(headers['accept']).toMatch(stream ? /event-?stream$/ : /^application\/json$/);
    }
  });

  it('has an address for each dialect that it speaks, and only dialects that can be written', () => {
    const urls = spokenBy(provider).map((dialect) => request(provider, { dialect }).url);
    expect(new Set(urls).size).toBe(spokenBy(provider).length);
    expect(urls.length).toBeGreaterThan(0);
  });

  it('never gets what a caller put into the body to steer it', () => {
    for (const [field, value] of Object.entries(STEERING)) {
      const body = { model: 'alias', messages: [{ role: 'user', content: 'x' }], [field]: value };
      expect(() => chatCall(Buffer.from(JSON.stringify(body)))).toThrow(
        expect.objectContaining({ code: 'invalid_request', param: field }),
      );
    }
  });

  it('gets the fields of the gateway last, so that none from elsewhere can stand in for them', async () => {
    const extra = { cache_salt: 'ours', model: 'ours', messages: 'ours' };
    for (const dialect of spokenBy(provider)) {
      const body = await bodyFor(provider, dialect, extra);
      if (body !== undefined) expect(body).toMatchObject(extra);
    }
  });
});

async function bodyFor(
  provider: Provider,
  dialect: Dialect,
  extra: Readonly<Record<string, unknown>>,
) {
  const target = { dialect, model: 'm', maxOutputTokens: 9, extra };
  const outbound = await OUTBOUND[dialect]?.();
  if (dialect === 'openai-chat') {
    const body = { model: 'alias', messages: [{ role: 'user', content: 'x' }] };
    return JSON.parse(bodyText(chatCall(Buffer.from(JSON.stringify(body))).pass(target).body));
  }
  if (outbound === undefined) return undefined;
  const conversation: Conversation = {
    system: [],
    turns: [{ role: 'user', parts: [{ kind: 'text', text: 'x' }] }],
    tools: [],
    stop: [],
    others: {},
  };
  expect(spokenBy(provider)).toContain(dialect);
  return JSON.parse(outbound.encode(conversation, { ...target, stream: false }).body);
}

describe('every kind', () => {
  it('has a setup in this suite', () => {
    const covered = new Set(SETUPS.map(({ kind }) => kind));
    expect(Object.keys(PROVIDERS).sort()).toEqual([...covered].sort());
  });
});
