import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { anthropicVoice, errorForEveryDialect } from '../../../../core/dialects/anthropic/voice.ts';
import { ERRORS, type ErrorCode } from '../../../../core/errors.ts';

const CODES = Object.keys(ERRORS).filter((code): code is ErrorCode => Object.hasOwn(ERRORS, code));

function facts(code: ErrorCode) {
  return { code, message: 'No more today.', gateway: { request_id: 'req_1' } };
}

function answering(body: string, status: number) {
  return async () =>
    new Response(body, {
      status,
      headers: {
        'content-type': 'application/json',
        'request-id': 'req_1',
        'x-request-id': 'req_1',
      },
    });
}

async function anthropicError(body: string, status: number) {
  const client = new Anthropic({
    apiKey: 'k',
    maxRetries: 0,
    fetch: answering(body, status),
  });
  return client.messages
    .create({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'Hi' }] })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
}

async function openAiError(body: string, status: number) {
  const client = new OpenAI({ apiKey: 'k', maxRetries: 0, fetch: answering(body, status) });
  return client.models.list().then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('an error in the Anthropic dialect', () => {
  it.each(CODES)('of code %s is read by the official SDK', async (code) => {
    const { status, anthropic } = ERRORS[code];
    const error = await anthropicError(anthropicVoice.error(facts(code)), status);
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error).toMatchObject({
      status,
      type: anthropic,
      apiMessage: 'No more today.',
      requestID: 'req_1',
      error: { type: 'error', request_id: 'req_1', error: { gateway: { request_id: 'req_1' } } },
    });
  });
});

describe('an error for callers of an unknown dialect', () => {
  it.each(CODES)('of code %s is read by both SDKs', async (code) => {
    const { status, anthropic, openai } = ERRORS[code];
    const body = errorForEveryDialect(facts(code));
    expect(await anthropicError(body, status)).toMatchObject({
      status,
      type: anthropic,
      apiMessage: 'No more today.',
    });
    expect(await openAiError(body, status)).toMatchObject({
      status,
      code: openai.code,
      type: anthropic,
      param: null,
      requestID: 'req_1',
      message: `${status} No more today.`,
    });
  });
});
