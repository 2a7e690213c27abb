import { expect, it } from 'vitest';
import { newRequestId } from '../../../core/ids.ts';
import type { Accounts } from '../../../core/limits/accounts.ts';
import { type Ports, serve } from '../../../core/serve.ts';
import type { TestGateway } from '../../support/gateway.ts';
import { teamState, withProvider } from '../../support/served.ts';

const { gateway } = withProvider();

async function chat(g: TestGateway, ports: Ports): Promise<void> {
  const nowMs = Date.now();
  const { status, closed } = await serve(ports, {
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${g.key}` },
    body: Buffer.from('{"model":"sim-small","messages":[{"role":"user","content":"Hi"}]}'),
    requestId: newRequestId(),
    receivedAtMs: nowMs,
    deadlineMs: nowMs + 60_000,
  });
  expect(status).toBe(200);
  await closed;
}

it('settles no call whose event could not be stored: its hold stays for the reaper', async () => {
  const g = gateway();
  const usage = { put: () => Promise.reject(new Error('no stream, no queue')) };
  await chat(g, { ...g.ports, usage });
  expect(teamState(g)).toMatchObject({ holds: 1, settled: 0, requests: 0 });
  expect(g.reports).toEqual([expect.stringContaining('usage not delivered')]);
});

it('has stored the event before any account is settled', async () => {
  const g = gateway();
  const seen: number[] = [];
  const accounts: Accounts = {
    ...g.ports.accounts,
    settle: (reservation, actual) => {
      seen.push(g.events.length);
      return g.ports.accounts.settle(reservation, actual);
    },
  };
  await chat(g, { ...g.ports, accounts });
  expect(seen.length).toBeGreaterThan(0);
  expect(new Set(seen)).toEqual(new Set([1]));
});
