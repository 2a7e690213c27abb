import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '..', 'docs', 'performance.md');
const COMMANDS = {
  measured: 'npm run bench -- --write',
  hot: 'npm run bench -- --hot --write',
} as const;

/** Puts the tables between a section's markers; everything else stays. Throws when the markers are not there. */
export function writePage(section: keyof typeof COMMANDS, tables: string): void {
  const begin = `<!-- ${section}: written by \`${COMMANDS[section]}\` -->`;
  const end = `<!-- end of ${section} -->`;
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE} has no markers`);
  writeFileSync(PAGE, `${before}${begin}\n\n${tables}\n\n${end}${after}`);
}
