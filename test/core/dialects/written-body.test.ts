import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countTokensCall, messagesCall } from '../../../core/dialects/anthropic/messages-call.ts';
import type { Call, Target } from '../../../core/dialects/call.ts';
import { chatCall } from '../../../core/dialects/openai/chat-call.ts';
import { embeddingsCall } from '../../../core/dialects/openai/embeddings-call.ts';
import { responsesCall } from '../../../core/dialects/openai/responses-call.ts';
import { parseJsonBody } from '../../../core/dialects/request-body.ts';
import { writeBody } from '../../../core/dialects/written-body.ts';
import { GatewayError } from '../../../core/errors.ts';
import { vllm } from '../../../core/providers/vllm/adapter.ts';
import { bodyText } from '../../support/body-text.ts';
import { jsonObjects } from './written-json.ts';

/** Only long bodies are put together from the caller's bytes. */
const LONG = 'It is a long way. 長い道 '.repeat(600);
const CANARY = 'canary-of-a-caller';

const plainName = fc.stringMatching(/^[a-z_é$]{0,4}$/);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(plainName, tie('json'), { maxKeys: 3 }),
  ),
}));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const object = fc.dictionary(plainName, json, { maxKeys: 4 });
const withheld = fc.constant(CANARY);
const tools = fc.array(
  fc.record({ type: fc.constant('function'), function: object }, { requiredKeys: ['type'] }),
  { maxLength: 3 },
);
const content = fc.oneof(
  fc.constantFrom('Hi', LONG, '\ud800 "quoted" \\ and\nlined \u2028'),
  fc.array(fc.record({ type: fc.constant('text'), text: fc.string({ unit: 'grapheme' }) }), {
    minLength: 1,
    maxLength: 3,
  }),
);

const target: fc.Arbitrary<Target> = fc
  .record({
    maxOutputTokens: fc.constantFrom(7, 5_000),
    extra: fc.constantFrom({}, { cache_salt: 's', priority: 3 }, { anthropic_version: 'x' }),
    maxTokensField: fc.constantFrom(undefined, 'max_tokens', 'max_completion_tokens'),
    chatRules: fc.constantFrom(undefined, vllm.chatRules),
  })
  .map(({ maxOutputTokens, extra, maxTokensField, chatRules }) => ({
    ...{ dialect: 'openai-chat', model: 'theirs', maxOutputTokens, extra },
    ...(maxTokensField === undefined ? {} : { maxTokensField }),
    ...(chatRules === undefined ? {} : { chatRules }),
  }));

type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** Bodies with any of the fields, in any order. */
function bodiesOf(required: Fields, optional: Fields) {
  return fc
    .record({ ...required, ...optional }, { requiredKeys: Object.keys(required) })
    .chain((body) =>
      fc.shuffledSubarray(Object.entries(body), { minLength: 0 }).map((some) => ({ body, some })),
    )
    .map(({ body, some }) => ({ ...Object.fromEntries(some), ...body }));
}

const DIALECTS: readonly {
  readonly name: string;
  readonly parse: (bytes: Uint8Array) => Call;
  readonly bodies: fc.Arbitrary<Record<string, unknown>>;
}[] = [
  {
    name: 'chat completions',
    parse: chatCall,
    bodies: bodiesOf(
      {
        model: fc.constant('alias'),
        messages: fc
          .array(fc.record({ role: fc.constantFrom('user', 'system'), content, x: json }), {
            maxLength: 4,
          })
          .map((all) => [...all, { role: 'user', content: LONG }]),
      },
      {
        stream: maybe(fc.boolean()),
        stream_options: maybe(fc.constantFrom({}, { include_usage: false })),
        max_tokens: maybe(fc.constant(5_000)),
        max_completion_tokens: maybe(fc.constant(5_000)),
        temperature: maybe(fc.double({ noNaN: true, noDefaultInfinity: true })),
        tools: maybe(tools),
        stop: json,
        logit_bias: json,
        response_format: maybe(object),
        store: maybe(fc.boolean()),
        service_tier: fc.constant('default'),
        user: withheld,
        metadata: fc.constant({ a: CANARY }),
        safety_identifier: withheld,
        prompt_cache_key: withheld,
      },
    ),
  },
  {
    name: 'messages',
    parse: (bytes) => messagesCall(bytes, {}),
    bodies: bodiesOf(
      {
        model: fc.constant('alias'),
        max_tokens: fc.constantFrom(5_000, 9_000),
        messages: fc
          .array(
            fc.oneof(
              fc.record({ role: fc.constantFrom('user', 'assistant'), content }),
              fc.constantFrom('', 'signed').map((signature) => ({
                role: 'assistant',
                content: [{ type: 'thinking', thinking: 'hm', signature }],
              })),
            ),
            { maxLength: 4 },
          )
          .map((all) => [...all, { role: 'user', content: LONG }]),
      },
      {
        system: content,
        stream: fc.boolean(),
        temperature: fc.constantFrom(0, 0.5, 1),
        thinking: fc.constantFrom({ type: 'disabled' }, { type: 'enabled', budget_tokens: 4_000 }),
        tools: fc.array(fc.record({ name: fc.constant('f'), input_schema: object })),
        stop_sequences: fc.constantFrom([], ['\n\n']),
        speed: fc.constantFrom(null, 'standard'),
        metadata: fc.constant({ user_id: CANARY }),
      },
    ),
  },
  {
    name: 'token counts',
    parse: (bytes) => countTokensCall(bytes, {}),
    bodies: bodiesOf(
      { model: fc.constant('alias'), messages: fc.constant([{ role: 'user', content: LONG }]) },
      { system: content, thinking: fc.constant({ type: 'adaptive' }), speed: fc.constant(null) },
    ),
  },
  {
    name: 'responses',
    parse: responsesCall,
    bodies: bodiesOf(
      {
        model: fc.constant('alias'),
        input: fc.oneof(
          fc.constant(LONG),
          fc
            .array(
              fc.oneof(
                fc.record(
                  { type: fc.constant('message'), role: fc.constant('user'), content: fc.string() },
                  { requiredKeys: ['role', 'content'] },
                ),
                fc.constantFrom('theirs', 'tollgate.1.e30').map((encrypted_content) => ({
                  ...{ type: 'reasoning', id: 'r', summary: [], encrypted_content },
                })),
              ),
              { maxLength: 4 },
            )
            .map((all) => [...all, { type: 'message', role: 'user', content: LONG }]),
        ),
      },
      {
        stream: maybe(fc.boolean()),
        stream_options: fc.constantFrom(null, { include_obfuscation: false }),
        max_output_tokens: maybe(fc.constant(5_000)),
        instructions: maybe(fc.string({ unit: 'grapheme' })),
        tools: fc.array(
          fc.record({ type: fc.constant('function'), name: fc.constant('f'), parameters: object }),
        ),
        store: maybe(fc.boolean()),
        user: withheld,
        metadata: fc.constant({ a: CANARY }),
        safety_identifier: withheld,
        prompt_cache_key: withheld,
        background: fc.constant(false),
        conversation: fc.constant(null),
      },
    ),
  },
  {
    name: 'embeddings',
    parse: embeddingsCall,
    bodies: bodiesOf(
      {
        model: fc.constant('alias'),
        input: fc.constantFrom(
          LONG,
          ['a', LONG],
          Array.from({ length: 4_000 }, (_, i) => i),
        ),
      },
      {
        dimensions: maybe(fc.constantFrom(1, 1_024)),
        encoding_format: maybe(fc.constantFrom('float', 'base64')),
        user: withheld,
      },
    ),
  },
];

/** The same with a name at its end that is not trusted: such a body is written anew. */
const distrusted = (text: string) => text.replace('"model"', '"mod\\u0065l"');

describe.each(DIALECTS)('the body of a long call of $name', ({ parse, bodies }) => {
  const written = fc.record({ body: bodies, target, space: fc.constantFrom(0, 1, '\t') });

  it('says to the provider what it says written anew, and nothing that is withheld', () => {
    let takenBodies = 0;
    const check = ({
      body,
      target: to,
      space,
    }: {
      body: object;
      target: Target;
      space: string | number;
    }) => {
      const text = JSON.stringify(body, null, space);
      const taken = parse(Buffer.from(text)).pass(to).body;
      const anew = parse(Buffer.from(distrusted(text))).pass(to).body;
      expect(typeof anew).toBe('string');
      if (typeof taken !== 'string') takenBodies += 1;
      expect(JSON.parse(bodyText(taken))).toEqual(JSON.parse(bodyText(anew)));
      expect(bodyText(taken)).not.toContain(CANARY);
    };
    fc.assert(
      fc.property(written, (one) => {
        try {
          check(one);
        } catch (thrown) {
          // What a target's rules refuse is refused either way.
          if (!(thrown instanceof GatewayError)) throw thrown;
          fc.pre(false);
        }
      }),
      { numRuns: 200 },
    );
    expect(takenBodies).toBeGreaterThan(50);
  });
});

const sentAs = (text: string) => parseJsonBody(Buffer.from(text));
const padded = (members: string) => `{"pad":"${LONG}",${members}}`;

describe('a body', () => {
  it('keeps what is long as it was written, and has what is short, new or changed in our words', () => {
    const long = `"${LONG} \\u0041\\/"`;
    const sent = sentAs(padded(`"n":1.50,"kept" : [1E2,${long} ] ,"changed":[${long}]`));
    const { kept, changed } = Object(sent.json);
    const body = writeBody({ kept, changed: [...changed], n: 1.5, own: 'é' }, sent);
    expect(bodyText(body)).toBe(
      `{"kept": [1E2,${long} ] ,"changed":[${JSON.stringify(changed[0])}],"n":1.5,"own":"é"}`,
    );
  });

  it('is written anew where nothing that is long stays', () => {
    expect(writeBody({ a: 1, b: undefined, c: LONG }, sentAs(padded('"a":1')))).toBe(
      JSON.stringify({ a: 1, c: LONG }),
    );
    expect(writeBody({}, sentAs(padded('"a":1')))).toBe('{}');
  });

  it('has no field that the gateway does not give, whatever the caller wrote', () => {
    let takenBodies = 0;
    const check = (text: string) => {
      const sent = sentAs(padded(`"more":[${text},"${LONG}"]`));
      const { more } = Object(sent.json);
      const body = writeBody({ more, none: undefined }, sent);
      // Written anew for the sake of an escaped name, which is not always read again as it was before.
      if (typeof body === 'string') return;
      takenBodies += 1;
      // As text, because only the caller writes a zero with a sign.
      expect(JSON.stringify(JSON.parse(bodyText(body)))).toBe(JSON.stringify({ more }));
    };
    fc.assert(fc.property(jsonObjects, check), { numRuns: 500 });
    expect(takenBodies).toBeGreaterThan(50);
  });

  it('is written anew where a name comes twice, since a provider may read the first', () => {
    const twice = sentAs(padded('"tool":{"type":"web_search","type":"custom"}'));
    const { tool } = Object(twice.json);
    expect(writeBody({ tool }, twice)).toBe('{"tool":{"type":"custom"}}');
  });

  it('is written anew where it is short', () => {
    const sent = sentAs('{ "a": 1 }');
    expect(writeBody({ ...Object(sent.json) }, sent)).toBe('{"a":1}');
  });

  it('of a view into a larger buffer is read within that view', () => {
    const whole = Buffer.from(`xx${padded('"a":[1]')}"x":1}`);
    const sent = parseJsonBody(whole.subarray(2, whole.length - 6));
    expect(bodyText(writeBody({ pad: Object(sent.json).pad }, sent))).toBe(`{"pad":"${LONG}"}`);
  });
});
