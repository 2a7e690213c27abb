/**
 * `npm run bench:estimate`: what the bound of a call costs, and how often it is under the truth. A call is held at its bound (core/limits/bound.ts), which
 * is the bytes of its body for its text; the truth is a tokenizer's count, with what OpenAI adds around a message.
 */
import { parseArgs } from 'node:util';
import { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as countO200k } from 'gpt-tokenizer/encoding/o200k_base';
import { chatCall } from '../core/dialects/openai/chat-call.ts';
import { imageTokens } from '../core/dialects/openai/content.ts';
import { boundOf } from '../core/limits/bound.ts';
import { companyOf, newKeys } from './company.ts';
import { corpus } from './corpus.ts';
import type { Estimate } from './results.ts';
import { summarize } from './statistics.ts';

const UNDER = 0.9;
/** Role and delimiters of the one message, and what primes the answer. */
const TOKENS_BESIDE_TEXT = 4 + 3;
/** Of a model with a price, as calls have them. */
const { models } = companyOf('http://127.0.0.1', newKeys()).snapshot;
const ROUTES = Object.values(models).flatMap(({ routes }) => routes);
const LARGE = { messages: 100, bytes: 4_000 } as const;
const TIMED = { rounds: 41, calls: 200 } as const;

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const estimate = measureEstimate();
if (values.json) console.log(JSON.stringify(estimate));
else {
  console.table(estimate.texts.map(({ kind, calls, ratio }) => ({ kind, calls, ...ratio })));
  const { texts: _texts, ...figures } = estimate;
  console.table(figures);
}

function measureEstimate(): Estimate {
  const texts = Object.entries(corpus()).map(([kind, each]) => ({
    kind,
    ratios: each.map(boundOverTruth),
  }));
  const all = texts.flatMap(({ ratios }) => ratios);
  const percentUnder = (bar: number) =>
    (100 * all.filter((ratio) => ratio < bar).length) / all.length;
  return {
    boundUs: timeBound(),
    underPercent: percentUnder(UNDER),
    quarterUnderPercent: percentUnder(UNDER * 4),
    texts: texts.flatMap(({ kind, ratios }) => {
      const ratio = summarize(ratios);
      return ratio === undefined ? [] : [{ kind, calls: ratios.length, ratio }];
    }),
  };
}

/** Of the two tokenizers the truth is the one that finds more. */
function boundOverTruth(content: string): number {
  const body = bodyOf([{ role: 'user', content }]);
  const { tokensBesideText } = chatCall(body);
  const truth = Math.max(countO200k(content), countCl100k(content)) + TOKENS_BESIDE_TEXT;
  return inputBound(body, tokensBesideText) / truth;
}

/** The median of rounds of many calls; the body is read already, as it is in a call. */
function timeBound(): number {
  const content = 'a word, '.repeat(LARGE.bytes / 8);
  const messages = Array.from({ length: LARGE.messages }, () => ({
    role: 'user' as const,
    content,
  }));
  const body = bodyOf(messages);
  const roundsUs = Array.from({ length: TIMED.rounds }, () => {
    const startedAtMs = performance.now();
    for (let call = 0; call < TIMED.calls; call += 1) inputBound(body, imageTokens(messages));
    return ((performance.now() - startedAtMs) * 1e3) / TIMED.calls;
  });
  return summarize(roundsUs)?.median ?? Number.NaN;
}

function inputBound({ byteLength: bodyBytes }: Buffer, tokensBesideText: number): number {
  return boundOf({ bodyBytes, tokensBesideText, maxOutputTokens: 400, choices: 1 }, ROUTES)
    .inputTokens;
}

function bodyOf(messages: readonly object[]): Buffer {
  return Buffer.from(JSON.stringify({ model: 'any', messages }));
}
