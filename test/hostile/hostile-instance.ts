/** `npm start` before a provider of the test's own, with canaries in everything that must never be written down. */
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { type RunningGateway, startGateway } from '../e2e/instance.ts';
import { originOf } from '../support/upstream-calls.ts';

export const CANARIES = {
  providerKey: 'sk-canary-5f1e0c9a7b3d',
  prompt: 'canary-prompt-8d2b41f0',
  person: 'canary.person@private.example',
  answer: 'canary-answer-c7a9e613',
} as const;

export interface HostileInstance extends RunningGateway {
  readonly virtualKey: string;
  close(): Promise<void>;
}

export async function startHostileInstance(): Promise<HostileInstance> {
  const provider = http.createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-hostile-'));
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, policyText(originOf(provider)));
  const gateway = await startGateway({ policy, env: { OPENAI_API_KEY: CANARIES.providerKey } });
  const { key } = await gateway.keyOf('open');
  return {
    ...gateway,
    virtualKey: key,
    async close() {
      await gateway.stop();
      provider.closeAllConnections();
      provider.close();
    },
  };
}

/** What the model's name says: how many pieces of how many letters, and how long before each. */
const MODELS = { quick: '5-20-0', big: '128-16000-0', drips: '60-20-50', thinks: '2-20-1000' };

function policyText(base_url: string): string {
  const model = (name: string) => ({
    tier: 'shared',
    context_tokens: '2M',
    max_output_tokens: '1M',
    default_max_output_tokens: 1_000_000,
    routes: [{ provider: 'openai', model: name, price: { input: '$0.01', output: '$0.01' } }],
  });
  return stringify({
    time_zone: 'UTC',
    providers: { openai: { kind: 'openai', base_url, secret: 'openai' } },
    models: Object.fromEntries(Object.entries(MODELS).map(([alias, name]) => [alias, model(name)])),
    tenants: {
      acme: {
        teams: {
          open: { owner: 'open@example.com', limits: { monthly_budget: '$100,000' } },
        },
        projects: { open: { team: 'open' } },
      },
    },
  });
}

async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { model, stream } = JSON.parse(Buffer.concat(parts).toString('utf8'));
  const [pieces = 0, letters = 0, pauseMs = 0] = String(model).split('-').map(Number);
  const content = CANARIES.answer + 'x'.repeat(Math.max(0, letters - CANARIES.answer.length));
  if (stream !== true) {
    await sleep(pauseMs);
    return void response.end(whole(content));
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let piece = 0; piece < pieces; piece += 1) {
    await sleep(pauseMs);
    if (!response.write(event({ choices: [{ index: 0, delta: { content } }] })))
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
  response.write(event({ choices: [], usage }));
  response.end('data: [DONE]\n\n');
}

const usage = { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 };

function whole(content: string): string {
  const message = { role: 'assistant', content };
  return JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage,
  });
}

function event(fields: object): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', ...fields })}\n\n`;
}
