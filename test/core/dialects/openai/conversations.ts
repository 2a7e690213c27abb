import * as fc from 'fast-check';
import type { Conversation, Part, Tool, Turn } from '../../../../core/dialects/conversation.ts';

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
/** Not `__proto__`, which a schema of records leaves out. */
const name = fc.stringMatching(/^[a-z][a-z_]{0,9}$/);
const json = fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
const text = words.map((said): Part & { kind: 'text' } => ({ kind: 'text', text: said }));
const image = fc
  .constantFrom(
    { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } as const,
    { kind: 'url', url: 'https://example.com/a.png' } as const,
  )
  .map((source): Part => ({ kind: 'image', source }));
const refusal = words.map((said): Part => ({ kind: 'refusal', text: said }));
const result = fc
  .record({ callId: name, content: fc.array(text, { maxLength: 2 }) })
  .map((said): Part => ({ kind: 'tool-result', ...said, isError: false }));
const call = fc
  .record({ id: name, name, arguments: json.map((value) => JSON.stringify(value)) })
  .map((said): Part => ({ kind: 'tool-call', ...said }));

const some = (first: fc.Arbitrary<Part>, then: fc.Arbitrary<Part>) =>
  fc
    .tuple(fc.array(first, { maxLength: 2 }), fc.array(then, { maxLength: 3 }))
    .map((lists) => lists.flat())
    .filter((parts) => parts.length > 0);

/** Turns in which everything stands where chat completions have it; the last word is the user's. */
const turns = fc
  .array(fc.tuple(some(result, fc.oneof(text, image)), some(fc.oneof(text, refusal), call)), {
    maxLength: 3,
  })
  .map((pairs) =>
    pairs.flatMap(([user, assistant]): Turn[] => [
      { role: 'user', parts: user },
      { role: 'assistant', parts: assistant },
    ]),
  )
  .map((all): Turn[] => [...all, { role: 'user', parts: [{ kind: 'text', text: 'Go on.' }] }]);

const tool: fc.Arbitrary<Tool> = fc.record(
  { name, description: fc.option(words, { nil: undefined }), schema: json, strict: fc.boolean() },
  { requiredKeys: ['name', 'description', 'schema'] },
);
const number = fc.double({ min: 0.01, max: 2, noNaN: true });

/** Conversations that chat completions can express whole. */
export const conversations: fc.Arbitrary<Conversation> = fc
  .record(
    {
      system: fc.array(text, { maxLength: 2 }),
      turns,
      tools: fc.array(tool, { maxLength: 2 }),
      stop: fc.array(words, { maxLength: 3 }),
      toolChoice: fc.oneof(
        fc.constantFrom(
          { kind: 'auto' } as const,
          { kind: 'none' } as const,
          { kind: 'required' } as const,
        ),
        name.map((each) => ({ kind: 'tool', name: each }) as const),
      ),
      parallelToolCalls: fc.boolean(),
      output: fc.oneof(
        fc.constant({ kind: 'json' } as const),
        fc.record({
          kind: fc.constant('schema' as const),
          name,
          schema: json,
          strict: fc.boolean(),
        }),
      ),
      thinking: fc
        .constantFrom('minimal', 'low', 'medium', 'high', 'xhigh', 'max')
        .map((effort) => ({ kind: 'effort', effort }) as const),
      temperature: number,
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
      seed: fc.integer(),
      frequencyPenalty: number,
      presencePenalty: number,
      others: fc.constant({}),
      leftOut: fc.constant([]),
    },
    { requiredKeys: ['system', 'turns', 'tools', 'stop', 'others', 'leftOut'] },
  )
  .map(({ toolChoice, parallelToolCalls, ...conversation }) => ({
    ...conversation,
    ...(conversation.tools.length === 0 || toolChoice === undefined ? {} : { toolChoice }),
    ...(conversation.tools.length === 0 || parallelToolCalls === undefined
      ? {}
      : { parallelToolCalls }),
  }));
