/**
 * The provider behind everything that is compared, in a process of its own. It does as little as it can, and stamps each
 * token with the time. What it answers is in the model's name, so that it acts the same whoever calls it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { listen, runChildServer } from './child-server.ts';
import { ENDINGS_PATH, MODEL_IN_BODY } from './models.ts';
import { nowUs, stampText } from './stamps.ts';

/** More than one measurement makes while anybody asks for them. */
const MAX_ENDINGS = 100;

interface Asked {
  readonly model: string;
  readonly tokens: number;
  readonly gapMs: number;
  readonly isStream: boolean;
  readonly promptTokens: number;
  readonly askedAtUs: number;
}

runChildServer(z.object({}), () => {
  const endings: number[] = [];
  return listen((request, response) => {
    if (request.url === ENDINGS_PATH) {
      response.end(JSON.stringify(endings.splice(0)));
      return;
    }
    response.once('close', () => {
      endings.push(nowUs());
      if (endings.length > MAX_ENDINGS) endings.shift();
    });
    answer(request, response).catch(() => response.destroy());
  });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const askedAtUs = nowUs();
  const body = Buffer.concat(chunks).toString('latin1');
  const [model, tokens, gapMs] = MODEL_IN_BODY.exec(body)?.slice(1) ?? [];
  if (model === undefined) {
    response.writeHead(404).end('{"error":{"message":"no such model"}}');
    return;
  }
  const asked: Asked = {
    ...{ model, tokens: Number(tokens), gapMs: Number(gapMs), askedAtUs },
    isStream: body.includes('"stream":true'),
    promptTokens: Math.ceil(body.length / 4),
  };
  if (asked.isStream) await stream(response, asked);
  else whole(response, asked);
}

/** Each event is a write of its own; without a pause between tokens Node hands them to the socket together. */
async function stream(response: ServerResponse, asked: Asked): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.socket?.setNoDelay(true);
  const startedAtMs = performance.now();
  const send = (data: string) => response.write(`data: ${data}\n\n`);
  const { askedAtUs, tokens, gapMs } = asked;
  send(chunk(asked, { role: 'assistant', content: '' }));
  for (let index = 0; index < tokens; index += 1) {
    const waitMs = startedAtMs + index * gapMs - performance.now();
    if (gapMs > 0 && waitMs > 0) await sleep(waitMs);
    if (response.destroyed) return;
    send(chunk(asked, { content: stampText({ askedAtUs, sentAtUs: nowUs() }) }));
  }
  send(chunk(asked, {}, 'stop'));
  send(JSON.stringify({ ...facts(asked), choices: [], usage: usageOf(asked) }));
  response.end('data: [DONE]\n\n');
}

function whole(response: ServerResponse, asked: Asked): void {
  const { askedAtUs } = asked;
  const content = stampText({ askedAtUs, sentAtUs: nowUs() });
  const message = { role: 'assistant', content, refusal: null, annotations: [] };
  const body = JSON.stringify({
    ...facts(asked),
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: usageOf(asked),
  });
  const length = Buffer.byteLength(body);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
  response.end(body);
}

/** Some 300 bytes for a token, as OpenAI sends them. */
function chunk(asked: Asked, delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  return JSON.stringify({ ...facts(asked), choices, usage: null, obfuscation: 'Xa81kq' });
}

function facts({ model }: Asked) {
  return {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion.chunk',
    created: 1_741_569_952,
    model,
    service_tier: 'default',
    system_fingerprint: 'fp_44709d6fcb',
  };
}

function usageOf({ promptTokens, tokens }: Asked) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: tokens,
    total_tokens: promptTokens + tokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}
