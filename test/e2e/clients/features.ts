/** What each column of the matrix means: a check that a client and a provider pass together, or not. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import * as z from 'zod';
import { eventually, type RunningGateway } from '../instance.ts';
import type { Ask, Client, Place, Said, Schema } from './client.ts';

export interface Cell {
  readonly gateway: Pick<RunningGateway, 'providerUrl' | 'keyOf' | 'get'>;
  readonly client: Client;
  readonly place: Place;
}

const PROMPT = 'Tell me about budgets.';
const TOKENS = 9;
/** One red pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const CITY: Schema = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Zürich'] } },
  required: ['city'],
  additionalProperties: false,
};
const TOOLS = [{ name: 'weather', schema: CITY }];
const LONG_ENOUGH_TO_CACHE = 'A rule of the house. '.repeat(400);

export const FEATURES = {
  text: (cell) => says(cell, false),
  stream: (cell) => says(cell, true),
  tools: (cell) => callsTools(cell, { prompt: PROMPT, stream: false, tools: TOOLS }, ['sunny']),
  'parallel tools': (cell) =>
    callsTools(cell, { prompt: `${PROMPT} sim+calls=2`, stream: true, tools: TOOLS }, [
      'one',
      'two',
    ]),
  'JSON schema': answersInSchema,
  image: seesImage,
  thinking: thinks,
  cache: caches,
  error: fails,
  cancel: cancels,
} satisfies Readonly<Record<string, (cell: Cell) => Promise<unknown>>>;

export type Feature = keyof typeof FEATURES;

/** Word for word what the provider said in its own dialect, and its own count of it. */
async function says({ gateway, client, place }: Cell, stream: boolean): Promise<void> {
  const prompt = `${PROMPT} sim+tokens=${TOKENS}`;
  const said = await client.ask(place, { prompt, stream });
  assert.equal(said.text, await truth(gateway, prompt));
  assert.equal(said.usage.output, TOKENS);
  assert.ok((said.usage.input ?? 0) > 0, 'no input tokens in the usage');
}

async function truth({ providerUrl }: Cell['gateway'], prompt: string): Promise<string> {
  const openai = new OpenAI({ baseURL: `${providerUrl}/v1`, apiKey: 'none', maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: prompt }];
  const answer = await openai.chat.completions.create({ model: 'sim-small', messages });
  return answer.choices[0]?.message.content ?? '';
}

async function callsTools(
  { client, place }: Cell,
  request: Ask,
  results: readonly string[],
): Promise<Said> {
  const said = await client.ask(place, request);
  assert.deepEqual(
    said.calls.map(({ name, input }) => ({ name, input })),
    results.map(() => ({ name: 'weather', input: { city: 'Zürich' } })),
  );
  assert.equal(new Set(said.calls.map(({ id }) => id)).size, results.length);
  const answered = await said.withResults(results);
  assert.notEqual(answered.text, '');
  assert.deepEqual(answered.calls, []);
  return said;
}

async function answersInSchema({ client, place }: Cell): Promise<void> {
  const { text } = await client.ask(place, { prompt: PROMPT, stream: false, schema: CITY });
  assert.deepEqual(JSON.parse(text), { city: 'Zürich' });
}

async function seesImage({ client, place }: Cell): Promise<void> {
  const { text } = await client.ask(place, { prompt: PROMPT, stream: false, image: PIXEL });
  assert.match(text, /^I see 1 image\./);
}

/** Thoughts are shown or at least counted, and the next turn goes through with what the client keeps of them. */
async function thinks(cell: Cell): Promise<void> {
  const request = { prompt: PROMPT, stream: true, tools: TOOLS, thinks: true };
  const { thinking, usage } = await callsTools(cell, request, ['sunny']);
  assert.ok(thinking !== '' || (usage.thinking ?? 0) > 0, 'no thoughts, shown or counted');
}

async function caches({ client, place }: Cell): Promise<void> {
  const system = `${randomUUID()} ${LONG_ENOUGH_TO_CACHE}`;
  await client.ask(place, { prompt: PROMPT, stream: false, system });
  const { usage } = await client.ask(place, { prompt: PROMPT, stream: true, system });
  assert.ok((usage.cached ?? 0) > 0, 'nothing was read from the cache');
}

/** Refused before the answer, and broken off in its middle: both are errors to the client. */
async function fails({ client, place }: Cell): Promise<void> {
  const refused = client.ask(place, { prompt: `${PROMPT} sim+fault=429`, stream: false });
  await assert.rejects(refused, (error) => statusOf(error) === 429);
  let heard = false;
  const broken = client.ask(place, {
    prompt: `${PROMPT} sim+tokens=30+fault=error-chunk`,
    stream: true,
    onFirst: () => {
      heard = true;
    },
  });
  await assert.rejects(broken);
  assert.ok(heard, 'nothing was heard before the error');
}

function statusOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Reflect.get(error, 'status') ?? Reflect.get(error, 'statusCode');
}

const usageSchema = z.looseObject({
  scopes: z.array(
    z.looseObject({
      settled: z.looseObject({ requests: z.number() }),
      held: z.looseObject({ requests: z.number() }),
    }),
  ),
});

/** A client that leaves gets no more, and its call is on the books all the same. */
async function cancels({ gateway, client, place }: Cell): Promise<void> {
  const { key } = await gateway.keyOf('open');
  const leaving = new AbortController();
  const left = client.ask(
    { ...place, key },
    {
      prompt: `${PROMPT} sim+tokens=20+tps=40`,
      stream: true,
      signal: leaving.signal,
      onFirst: () => leaving.abort(),
    },
  );
  await assert.rejects(left);
  assert.ok(leaving.signal.aborted, 'the client never heard anything');
  await eventually(async () => {
    const { scopes } = usageSchema.parse(await gateway.get('/v1/usage', key));
    assert.equal(scopes[0]?.settled.requests, 1);
    assert.equal(scopes[0]?.held.requests, 0);
  });
}
