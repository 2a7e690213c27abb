/** A process that makes mixed calls through the gateway: `node mixed-calls.ts <baseURL> <key> <calls> <seed>`. Prints what it saw as JSON. */
import OpenAI from 'openai';

const [baseURL = '', apiKey = '', calls = '0', seed = '0'] = process.argv.slice(2);
const CONCURRENCY = 3;
const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const seen = { ok: 0, left: 0, refused: 0, failed: [] as string[] };

let next = 0;
await Promise.all(Array.from({ length: CONCURRENCY }, worker));
process.stdout.write(JSON.stringify(seen));

async function worker(): Promise<void> {
  for (let index = next++; index < Number(calls); index = next++) {
    await call(index).catch((error: unknown) => {
      if (error instanceof OpenAI.APIError && error.status !== undefined) seen.refused += 1;
      else seen.failed.push(String(error));
    });
  }
}

async function call(index: number): Promise<void> {
  const messages = [
    {
      role: 'user' as const,
      content: `Call ${index} of ${seed}: ${'word '.repeat((index * 7) % 60)}東京`,
    },
  ];
  switch (index % 8) {
    case 0:
    case 1:
    case 2:
      await openai.chat.completions.create({ model: 'fast', messages });
      break;
    case 3:
    case 4:
      await openai.chat.completions
        .stream({ model: 'fast', messages, stream_options: { include_usage: true } })
        .finalChatCompletion();
      break;
    case 5:
      await openai.chat.completions.create({
        model: 'fast',
        messages,
        n: 2,
        tools: [
          {
            type: 'function',
            function: { name: 'look', parameters: { type: 'object', properties: {} } },
          },
        ],
      });
      break;
    case 6:
      return leave(messages);
    default:
      await openai.chat.completions.create({
        model: index % 16 === 7 ? 'html' : 'premium',
        messages,
      });
  }
  seen.ok += 1;
}

async function leave(messages: { role: 'user'; content: string }[]): Promise<void> {
  const stream = await openai.chat.completions.create({ model: 'fast', messages, stream: true });
  for await (const _first of stream) break;
  stream.controller.abort();
  seen.left += 1;
}
