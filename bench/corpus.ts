/** Texts of four kinds, about as long as prompts are: this project's own prose, code and JSON, and sentences in Chinese, Japanese and Korean. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Corpus = Readonly<Record<'prose' | 'code' | 'cjk' | 'json', readonly string[]>>;

const ROOT = join(import.meta.dirname, '..');
/** Characters of a prompt, and prompts of a kind. */
const LENGTH = 1_200;
const MOST = 200;

export function corpus(): Corpus {
  return {
    prose: prompts(['docs/*.md', 'docs/adr/*.md'].flatMap(read).map(withoutCode)),
    code: prompts(['core/**/*.ts', 'lambdas/**/*.ts'].flatMap(read)),
    cjk: mixed(),
    json: prompts(['package-lock.json', 'docs/openapi.json'].flatMap(read).map(compact)),
  };
}

function read(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: ROOT })
    .toSorted()
    .map((path) => readFileSync(join(ROOT, path), 'utf8'));
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/^\|.*$/gm, '');
}

function compact(json: string): string {
  return JSON.stringify(JSON.parse(json));
}

/** Pieces of the texts, taken at even distances. */
function prompts(texts: readonly string[]): readonly string[] {
  const pieces = texts.flatMap((text) =>
    Array.from({ length: Math.floor(text.length / LENGTH) }, (_, index) =>
      text.slice(index * LENGTH, (index + 1) * LENGTH),
    ),
  );
  const step = Math.max(1, Math.floor(pieces.length / MOST));
  return pieces.filter((_, index) => index % step === 0).slice(0, MOST);
}

const SENTENCES = [
  '网关在调用之前为每个团队预留预算，答案结束后再按实际用量结算。',
  '请把下面的客户邮件翻译成英文，并用三句话概括主要的问题。',
  '如果某个模型暂时不可用，请求会转到策略允许的下一条路线。',
  '本季度的费用比上个季度增加了百分之十二，主要来自搜索功能。',
  '次の議事録を要約し、担当者と期限を一覧にしてください。',
  '予算の八割を使うと、チームの責任者に通知が届きます。',
  'この関数がなぜ遅いのか、測定結果をもとに説明してください。',
  '新しい鍵は一度しか表示されないため、安全な場所に保管します。',
  '이번 달 예산을 모두 사용하면 새로운 호출은 거절됩니다.',
  '다음 문서를 읽고 중요한 숫자를 표로 정리해 주세요.',
  '공급자가 사용량을 알려 주지 않으면 추정값으로 정산합니다.',
  '회의는 내일 오후 세 시에 서울 사무실에서 열립니다.',
];

/** Each prompt begins at another sentence and leaves out others. */
function mixed(): readonly string[] {
  return Array.from({ length: MOST }, (_, index) => {
    const step = 1 + (index % (SENTENCES.length - 1));
    const picked = Array.from(
      { length: SENTENCES.length },
      (_, turn) => SENTENCES[(index + turn * step) % SENTENCES.length] ?? '',
    );
    return picked.join('');
  });
}
