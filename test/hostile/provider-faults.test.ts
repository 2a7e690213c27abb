import { describe, expect, it } from 'vitest';
import type { Provider } from '../../core/catalog/snapshot.ts';
import { model, type TestGateway } from '../support/gateway.ts';
import { teamState, withProvider } from '../support/served.ts';
import { openDoor } from './door.ts';
import { STREAMING_CLIENTS, type StreamingClient } from './streaming-clients.ts';

const { gateway, provider } = withProvider();

type Kind = Provider['kind'];
const KINDS: readonly Kind[] = ['openai', 'anthropic', 'bedrock', 'azure-openai', 'vllm'];

/** Each leaves the answer without its proper end, or with the end of another one. */
const BREAKING = [
  'reset-mid',
  'truncate',
  'stall-mid',
  'error-chunk',
  'garbage-json',
  'done-early',
  'infinite',
] as const;

/** Each is an odd way of giving a whole answer. */
const HARMLESS = [
  'no-usage',
  'usage-each',
  'usage-twice',
  'usage-late',
  'usage-negative',
  'usage-string',
  'usage-nan',
  'wrong-model',
  'two-finishes',
  'ignore-max',
] as const;

/** A second answer within the first: told apart where the dialect says where an answer begins. */
const SPLICED = ['start-twice', 'splice'] as const;

function breaking(kind: Kind, { dialect }: StreamingClient): readonly string[] {
  const isChat =
    kind === 'vllm' || (['openai', 'azure-openai'].includes(kind) && dialect !== 'responses');
  return isChat ? BREAKING : [...BREAKING, ...SPLICED];
}

describe.each(KINDS)('a stream of a provider of kind %s', (kind) => {
  it.each(STREAMING_CLIENTS)('that breaks never looks finished to: $name', async (client) => {
    await Promise.all(
      breaking(kind, client).map(async (fault) => {
        const { seen, state, events } = await read(kind, client, fault);
        const told = { fault, finished: seen.finished, failed: seen.failed };
        expect(told).toEqual({ fault, finished: false, failed: true });
        expect(events.map(({ outcome, status }) => ({ fault, outcome, status }))).toEqual([
          { fault, outcome: 'error', status: 200 },
        ]);
        expect(state.holds).toBe(0);
        expect({ fault, settled: state.settled > 0 }).toEqual({ fault, settled: true });
      }),
    );
  });

  it.each(STREAMING_CLIENTS)('that is odd and whole is booked once for: $name', async (client) => {
    await Promise.all(
      HARMLESS.map(async (fault) => {
        const { seen, state, events } = await read(kind, client, fault);
        expect({ fault, holds: state.holds, rows: events.length }).toEqual({
          fault,
          holds: 0,
          rows: 1,
        });
        const [event] = events;
        // Anthropic's first event tells usage: with a NaN in it no answer has begun.
        if (kind === 'anthropic' && fault === 'usage-nan')
          return expect(seen).toMatchObject({ failed: true, text: '' });
        const tokens = (event?.input_tokens ?? 0) + (event?.output_tokens ?? 0);
        expect({ fault, booked: tokens > 0, paid: state.settled > 0 }).toEqual({
          fault,
          booked: true,
          paid: true,
        });
        expect({ fault, finished: seen.finished || seen.failed }).toEqual({
          fault,
          finished: true,
        });
        if (fault.startsWith('usage-n') || fault === 'no-usage' || fault === 'usage-string')
          expect({ fault, estimated: event?.estimated }).toEqual({ fault, estimated: true });
      }),
    );
  });
});

async function read(kind: Kind, client: StreamingClient, fault: string) {
  const g = gatewayOf(kind, fault);
  const door = await openDoor({
    ...g.ports,
    providerKeys: { ...g.ports.providerKeys, get: async () => 'sk-provider' },
  });
  try {
    const seen = await client.read({ url: door.url, key: g.key });
    await door.settled();
    return { seen, state: teamState(g), events: g.events };
  } finally {
    await door.close();
  }
}

function gatewayOf(kind: Kind, fault: string): TestGateway {
  const upstream = `sim-small+tokens=40+ttft=0+fault=${fault}`;
  return gateway({
    kind,
    providerUrl: kind === 'openai' ? provider().url : `${provider().url}/${kind}`,
    models: [model('sim-small', upstream)],
    idleTimeoutMs: 300,
  });
}
