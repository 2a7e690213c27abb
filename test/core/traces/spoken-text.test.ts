import { describe, expect, it } from 'vitest';
import { spokenText } from '../../../core/traces/spoken-text.ts';

const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');

describe('the text of a stream', () => {
  it('is put together by choice and by tool', () => {
    const delta = (index: number, part: object) => ({ id: 'c', choices: [{ index, delta: part }] });
    const text = sse(
      delta(0, { role: 'assistant', content: 'He' }),
      delta(1, { content: 'Yo' }),
      delta(0, { content: 'llo' }),
      delta(0, {
        tool_calls: [{ index: 1, id: 't', function: { name: 'find', arguments: '{"q":' } }],
      }),
      delta(0, { tool_calls: [{ index: 1, function: { arguments: '"x"}' } }] }),
    );
    expect(spokenText(`${text}data: [DONE]\n\n`)).toEqual([
      { at: 'choices.0.delta.content', text: 'Hello' },
      { at: 'choices.1.delta.content', text: 'Yo' },
      { at: 'choices.0.delta.tool_calls.1.function.name', text: 'find' },
      { at: 'choices.0.delta.tool_calls.1.function.arguments', text: '{"q":"x"}' },
    ]);
  });

  it('is put together by block, thoughts apart', () => {
    const delta = (index: number, part: object) => ({
      type: 'content_block_delta',
      index,
      delta: part,
    });
    expect(
      spokenText(
        sse(
          delta(0, { type: 'thinking_delta', thinking: 'hm' }),
          delta(0, { type: 'thinking_delta', thinking: 'm' }),
          delta(1, { type: 'text_delta', text: 'Hi' }),
        ),
      ),
    ).toEqual([
      { at: '0.delta.thinking', text: 'hmm' },
      { at: '1.delta.text', text: 'Hi' },
    ]);
  });

  it('is told once where events repeat it', () => {
    const at = { output_index: 0, content_index: 0 };
    expect(
      spokenText(
        sse(
          { type: 'response.output_text.delta', ...at, delta: 'Hi ' },
          { type: 'response.output_text.delta', ...at, delta: 'there' },
          { type: 'response.output_text.done', ...at, text: 'Hi there' },
          {
            type: 'response.completed',
            response: { output: [{ content: [{ text: 'Hi there' }] }] },
          },
        ),
      ),
    ).toEqual([{ at: '0.0.delta', text: 'Hi there' }]);
  });

  it('passes over what is cut or no event', () => {
    expect(
      spokenText(`: ping\n\nevent: x\ndata: 7\n\n${sse({ text: 'a' })}data: {"text":"b`),
    ).toEqual([{ at: 'text', text: 'a' }]);
  });
});
