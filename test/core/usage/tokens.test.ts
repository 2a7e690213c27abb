import { globSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { createTokenEstimate } from '../../../core/usage/tokens.ts';

const CHINESE = [
  '网关在每次调用之前检查预算，因此费用永远不会超过团队的上限。',
  '请帮我总结这份会议记录，并列出每个人需要完成的任务。',
  '模型的回答以流的形式返回，用户可以立即看到第一个词。',
  '如果供应商没有报告用量，我们会估计词元的数量并做出标记。',
  '财务部门每个月都会收到一份按照成本中心划分的账单。',
  '搜索团队的请求太多，系统暂时拒绝了新的调用。',
  '这段代码读取配置文件，然后把结果写入数据库。',
  '明天下午三点我们在北京办公室讨论新的产品计划。',
];
const JAPANESE = [
  'ゲートウェイは呼び出しの前に予算を確認し、上限を超える支出を防ぎます。',
  'この文章を三行で要約して、重要な数字を表にまとめてください。',
  '利用量が報告されない場合は、トークン数を推定して印を付けます。',
  '検索チームは今月の予算の八割をすでに使いました。',
  '新しい鍵は一度だけ表示されるので、安全な場所に保存してください。',
];

function estimate(text: string): number {
  const counter = createTokenEstimate();
  counter.add(text);
  return counter.tokens();
}

/** Pieces of about so many characters from real texts, cut at line ends. */
function pieces(texts: readonly string[], length: number): string[] {
  return texts.flatMap((text) => {
    const found: string[] = [];
    let piece = '';
    for (const line of text.split('\n')) {
      piece += `${line}\n`;
      if (piece.length < length) continue;
      found.push(piece);
      piece = '';
    }
    return found;
  });
}

function read(pattern: string): string[] {
  return globSync(pattern).map((path) => readFileSync(path, 'utf8'));
}

/** Prose without its tables, code blocks and diagrams. */
function prose(markdown: string): string {
  const withoutCode = markdown.replaceAll(/```[\s\S]*?```/g, '');
  return withoutCode
    .split('\n')
    .filter((line) => !/^[|#-]|`/.test(line))
    .join('\n');
}

function mixed(sentences: readonly string[], count: number): string[] {
  const pick = fc.array(fc.constantFrom(...sentences), { minLength: 3, maxLength: 12 });
  return fc.sample(pick, { numRuns: count, seed: 7 }).map((each) => each.join(''));
}

/** Mean of the texts' relative errors, and the error of their sum. */
function errorsOf(texts: readonly string[]): { mean: number; total: number } {
  const pairs = texts.map((text) => ({ truth: countTokens(text), guess: estimate(text) }));
  const mean =
    pairs.reduce((sum, { truth, guess }) => sum + Math.abs(guess - truth) / truth, 0) /
    pairs.length;
  const sum = (of: 'truth' | 'guess') => pairs.reduce((total, pair) => total + pair[of], 0);
  return { mean, total: Math.abs(sum('guess') - sum('truth')) / sum('truth') };
}

describe('the estimate of tokens for calls without usage', () => {
  const english = pieces(
    [...read('docs/**/*.md'), ...read('README.md'), ...read('LICENSE')].map(prose),
    400,
  ).slice(0, 200);
  const code = pieces(read('core/**/*.ts'), 800).slice(0, 200);

  it.each([
    ['English prose', english, 0.1],
    ['code', code, 0.3],
    ['Chinese', mixed(CHINESE, 60), 0.3],
    ['Japanese', mixed(JAPANESE, 60), 0.3],
  ])('is close to the tokenizer for %s', (_name, texts, bound) => {
    expect(texts.length).toBeGreaterThan(30);
    const { mean, total } = errorsOf(texts);
    expect(total).toBeLessThanOrEqual(bound);
    expect(mean).toBeLessThanOrEqual(bound);
  });

  it('does not depend on where the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 8 }), (parts) => {
        const counter = createTokenEstimate();
        for (const part of parts) counter.add(part);
        expect(counter.tokens()).toBe(estimate(parts.join('')));
      }),
    );
  });
});
