import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ModelAlias } from '../../core/catalog/snapshot.ts';
import type { KeyStatus } from '../../core/limits/account.ts';
import { scopeKeyOf } from '../../core/limits/shards.ts';
import type { UpstreamRequest } from '../../core/providers/upstream.ts';
import { model, type TestGatewayOptions } from '../support/gateway.ts';
import { teamState, withProvider } from '../support/served.ts';

const { gateway } = withProvider();

const PAID = model('sim-small');
const FREE: ModelAlias = {
  ...model('own', 'sim-small'),
  routes: [{ provider: 'sim', model: 'sim-small', free: true }],
};
const ROOMY = { team: { requestsPerMinute: 1_200, nanoUsdPerMonth: 1_000_000_000 } };
const messages = [{ role: 'user', content: 'Hi' }];
const DIALECTS = {
  chat: { path: '/v1/chat/completions', body: { messages } },
  messages: { path: '/v1/messages', body: { messages, max_tokens: 50 } },
  responses: { path: '/v1/responses', body: { input: 'Hi' } },
};
const SHAPES = Object.entries(DIALECTS).flatMap(([dialect, { path, body }]) =>
  [true, false].map((stream) => [dialect, stream, { path, body: { ...body, stream } }] as const),
);

/** A gateway whose accounts answer only while its gate is open, and what became of its calls to the provider. */
function watched(options: Partial<TestGatewayOptions> = {}) {
  let gate = Promise.resolve();
  let open = () => {};
  const calls: { begun: boolean; signal: AbortSignal | undefined; onlyEndWaits: unknown }[] = [];
  const g = gateway({
    models: [PAID, FREE],
    limits: ROOMY,
    ...options,
    store: (memory) => ({
      ...memory,
      write: async (key, write) => {
        await gate;
        return memory.write(key, write);
      },
    }),
  });
  const { upstream } = g.ports;
  const send = (request: UpstreamRequest) => {
    const { signal } = request;
    const call = { begun: false, signal, onlyEndWaits: request.onlyEndWaits?.() };
    calls.push(call);
    (request.mayBegin ?? Promise.resolve()).then(() => {
      call.begun = true;
    });
    return upstream.send(request);
  };
  Object.assign(g.ports, { upstream: { send } });
  return {
    ...g,
    calls,
    shut() {
      const next = Promise.withResolvers<void>();
      gate = next.promise;
      open = next.resolve;
    },
    open: () => open(),
    /** A call while the accounts do not answer, until nothing more happens to it. */
    async ask({ path, body }: { path: string; body: object }, alias: string) {
      calls.length = 0;
      let isAnswered = false;
      const answer = g.call({ method: 'POST', path, body: { model: alias, ...body } });
      answer.then(() => {
        isAnswered = true;
      });
      await sleep(60);
      return { answer, isAnswered: () => isAnswered };
    },
    setStatus(status: KeyStatus) {
      for (const [key, item] of g.store.items)
        if (scopeKeyOf(key) === 'key/vk_test') g.store.items.set(key, { ...item, st: status });
    },
  };
}

describe.each([
  ['costs something', 'sim-small'],
  ['costs nothing', 'own'],
])('a call that %s', (_what, alias) => {
  it.each(SHAPES)(
    'of %s, streamed %s, is ready while it is reserved, and sent after',
    async (...[, , asked]) => {
      const g = watched();
      await (await (await g.ask(asked, alias)).answer).closed;
      g.shut();
      const { answer, isAnswered } = await g.ask(asked, alias);
      expect(g.calls).toMatchObject([{ begun: false }]);
      expect(isAnswered()).toBe(false);
      g.open();
      const { status, text, headers, closed } = await answer;
      await closed;
      expect([status, headers['x-tollgate-attempts']]).toEqual([200, '1']);
      expect(text.length).toBeGreaterThan(20);
      expect(Number(headers['x-tollgate-overhead-ms'])).toBeGreaterThan(50);
      expect(g.calls).toMatchObject([{ begun: true }]);
      expect(g.events.at(-1)).toMatchObject({ outcome: 'ok', attempts: 1 });
      expect(teamState(g)).toMatchObject({ holds: 0, requests: 2 });
    },
  );

  it('is never sent when it is refused, and made ready again only after one was granted', async () => {
    const g = watched();
    g.setStatus('revoked');
    expect((await (await g.ask(DIALECTS.chat, alias)).answer).status).toBe(401);
    expect(g.calls).toMatchObject([{ begun: false, signal: { aborted: true } }]);
    expect(g.events.at(-1)).toMatchObject({ outcome: 'denied', attempts: 0, model: null });
    expect((await (await g.ask(DIALECTS.chat, alias)).answer).status).toBe(401);
    expect(g.calls).toEqual([]);

    g.setStatus('active');
    await (await (await g.ask(DIALECTS.chat, alias)).answer).closed;
    g.shut();
    const { answer } = await g.ask(DIALECTS.chat, alias);
    expect(g.calls).toMatchObject([{ begun: false }]);
    g.open();
    expect((await answer).status).toBe(200);
  });

  it('waits with its end alone where there was plenty of room a moment ago', async () => {
    const g = watched({ limits: { team: { requestsPerMinute: 5 } } });
    const waits: unknown[] = [];
    for (let calls = 1; calls <= 6; calls += 1) {
      await (await (await g.ask(DIALECTS.chat, alias)).answer).closed;
      waits.push(g.calls[0]?.onlyEndWaits);
    }
    expect(waits).toEqual([false, true, true, true, true, false]);
  });

  it('is asked for again with a smaller maximum, where only that fits', async () => {
    const team = { outputTokensPerMinute: 200 };
    const g = watched({ limits: { team }, clampOutput: true });
    const { answer } = await g.ask(
      { ...DIALECTS.chat, body: { messages, max_tokens: 400 } },
      alias,
    );
    const { status, headers } = await answer;
    expect([status, headers['x-tollgate-max-tokens']]).toEqual([200, '200']);
    expect(g.calls.map(({ begun }) => begun)).toEqual([false, true]);
  });
});
