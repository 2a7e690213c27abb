/** One small good request in each dialect, and what an error looks like in it. */
import { expect } from 'vitest';
import * as z from 'zod';
import type { Answer } from '../support/gateway.ts';

export type CallerDialect = 'openai' | 'anthropic';

interface Prompt {
  readonly path: string;
  readonly dialect: CallerDialect;
  readonly body: Readonly<Record<string, unknown>>;
}

const MODEL = 'sim-small';

export const CHAT: Prompt = {
  path: '/v1/chat/completions',
  dialect: 'openai',
  body: { model: MODEL, max_completion_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] },
};
export const MESSAGES: Prompt = {
  path: '/v1/messages',
  dialect: 'anthropic',
  body: { model: MODEL, max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] },
};
export const RESPONSES: Prompt = {
  path: '/v1/responses',
  dialect: 'openai',
  body: { model: MODEL, max_output_tokens: 50, input: 'Hi' },
};
export const EMBEDDINGS: Prompt = {
  path: '/v1/embeddings',
  dialect: 'openai',
  body: { model: MODEL, input: 'Hi' },
};
export const COUNT: Prompt = {
  path: '/v1/messages/count_tokens',
  dialect: 'anthropic',
  body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] },
};

/** The dialects in which models answer, which can be streamed. */
export const PROMPTS: readonly Prompt[] = [CHAT, MESSAGES, RESPONSES];

const text = z.string().min(1).max(1_000);
const gateway = z.looseObject({ request_id: z.string() });
const SHAPES = {
  openai: z.strictObject({
    error: z.strictObject({
      message: text,
      type: text,
      param: z.nullable(z.string().max(200)),
      code: z.nullable(z.string()),
      gateway,
    }),
  }),
  anthropic: z.strictObject({
    type: z.literal('error'),
    error: z.looseObject({ type: text, message: text, gateway }),
    request_id: z.string(),
  }),
} as const;

/** What no caller may ever read: where code, machines and other tenants live. */
const INTERNALS =
  /127\.0\.0\.1|localhost|arn:aws|node:|\.ts\b|\bat \w+ \(|ECONN|EPIPE|sk-provider|ZodError|TypeError|SyntaxError|undefined|\[object/;

/** An error in the caller's dialect, whole, bounded, and without anything of the gateway's insides. */
export function expectCleanError({ text: body, headers }: Answer, dialect: CallerDialect): void {
  const parsed = SHAPES[dialect].safeParse(JSON.parse(body));
  expect(parsed.success ? [] : parsed.error.issues).toEqual([]);
  expect(`${body} ${JSON.stringify(headers)}`).not.toMatch(INTERNALS);
}
