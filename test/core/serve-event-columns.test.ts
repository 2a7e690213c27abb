import { describe, expect, it } from 'vitest';
import { newRequestId } from '../../core/ids.ts';
import { compilePolicy } from '../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../core/policy/parse-policy.ts';
import { serve } from '../../core/serve.ts';
import { usageEventSchema } from '../../core/usage/event.ts';
import { model } from '../support/gateway.ts';
import { withProvider } from '../support/served.ts';

const { gateway, provider } = withProvider();

const CHAT = '/v1/chat/completions';
const MESSAGES = '/v1/messages';
const RESPONSES = '/v1/responses';
const said = [{ role: 'user', content: 'Hi' }];

/** What each API says of an answer that was cut at its maximum, to callers of its own and of other dialects. */
const ENDS = [
  { path: CHAT, kind: 'openai', word: 'length' },
  { path: RESPONSES, kind: 'openai', word: 'max_output_tokens' },
  { path: MESSAGES, kind: 'openai', word: 'length' },
  { path: MESSAGES, kind: 'anthropic', word: 'max_tokens' },
  { path: CHAT, kind: 'anthropic', word: 'max_tokens' },
  { path: RESPONSES, kind: 'anthropic', word: 'max_tokens' },
  { path: CHAT, kind: 'openai-compatible', word: 'length' },
] as const;

describe.each(ENDS)('an answer of $kind to $path', ({ path, kind, word }) => {
  it.each([false, true])(
    "tells why it ended, in the provider's word (stream: %s)",
    async (stream) => {
      const g = gateway({ kind, models: [model('sim-small', 'sim-small+tokens=300')] });
      const limit = path === RESPONSES ? { max_output_tokens: 16 } : { max_tokens: 16 };
      const input = path === RESPONSES ? { input: 'Hi' } : { messages: said };
      const body = { model: 'sim-small', stream, ...limit, ...input };
      const { status, closed } = await g.call({ method: 'POST', path, body });
      await closed;
      expect(status).toBe(200);
      expect(g.events).toMatchObject([{ stop_reason: word, region: null, priority: 'normal' }]);
    },
  );
});

it('an answer that nobody cut ends for a reason of its own, and a denied call for none', async () => {
  const g = gateway({ limits: { team: { requestsPerMinute: 1 } } });
  const headers = { 'x-tollgate-priority': 'low' };
  for (let call = 0; call < 2; call += 1) {
    const body = { model: 'sim-small', messages: said };
    const { closed } = await g.call({ method: 'POST', path: CHAT, body, headers });
    await closed;
  }
  expect(g.events).toMatchObject([
    { outcome: 'ok', stop_reason: 'stop', priority: 'low' },
    { outcome: 'denied', stop_reason: null, priority: 'low' },
  ]);
});

it('a clock that jumps back within a call leaves no negative time in its row', async () => {
  const g = gateway();
  const startMs = Date.now();
  const times = [startMs, startMs + 50, startMs - 3_600_000];
  const clock = { nowMs: () => times.shift() ?? startMs - 7_200_000 };
  const response = await serve(
    { ...g.ports, clock },
    {
      method: 'POST',
      path: CHAT,
      headers: { authorization: `Bearer ${g.key}` },
      body: Buffer.from(JSON.stringify({ model: 'sim-small', messages: said })),
      requestId: newRequestId(),
      receivedAtMs: startMs,
      deadlineMs: startMs + 60_000,
    },
  );
  await response.closed;
  expect(response.status).toBe(200);
  expect(g.events.map((event) => usageEventSchema.safeParse(event).success)).toEqual([true]);
  expect(g.events).toMatchObject([{ event_time_ms: startMs, duration_ms: 0 }]);
});

describe('a tenant with terms of its own', () => {
  const BILLING = '    billing: { discount: 20%, margin: 10 % }';

  function policyWith(billing: string) {
    const text = `
time_zone: UTC
providers: { sim: { kind: openai, base_url: ${provider().url} } }
models:
  small:
    tier: shared
    context_tokens: 8K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: sim, model: sim-small, price: { input: $3, output: $15 } }]
tenants:
  acme:
    teams: { search: { owner: ann } }
    projects: { web: { team: search } }
${billing}
`;
    return parsePolicy(text, 'policy.yaml');
  }

  it('is billed by them for each of its calls', async () => {
    const parsed = policyWith(BILLING);
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
    const g = gateway({ compiled: compilePolicy(parsed.policy, 3, 0) });
    const { closed } = await g.chat({ model: 'small', messages: said });
    await closed;
    const cost = g.events[0]?.cost_nano_usd ?? 0;
    expect(cost).toBeGreaterThan(0);
    expect(g.events).toMatchObject([
      {
        discount_percent: 20,
        margin_percent: 10,
        billed_nano_usd: Math.ceil((cost * 88) / 100),
      },
    ]);
  });

  it.each([
    ['discount: 101%', 'a whole percent from 0 to 100'],
    ['discount: 2.5%', 'a whole percent from 0 to 100'],
    ['margin: -5%', 'a whole percent from 0 to 1000'],
    ['rebate: 5%', 'one of discount, margin'],
  ])('is refused with %s', (term, expected) => {
    const parsed = policyWith(`    billing: { ${term} }`);
    expect(JSON.stringify(parsed)).toContain(expected);
    expect(parsed.kind).toBe('invalid');
  });
});
