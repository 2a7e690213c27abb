import { describe, expect, it } from 'vitest';
import { readChatAnswer } from '../../../../core/dialects/openai/chat-answer.ts';

describe('a chat answer that came whole', () => {
  it('tells the tier that served it with the usage', () => {
    const answer = {
      choices: [{ message: { content: 'hi' } }],
      usage: { prompt_tokens: 5, completion_tokens: 2 },
      service_tier: 'flex',
    };
    expect(readChatAnswer(Buffer.from(JSON.stringify(answer))).usage).toMatchObject({
      inputTokens: 5,
      outputTokens: 2,
      serviceTier: 'flex',
    });
  });
});
