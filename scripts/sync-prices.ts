/**
 * Writes core/catalog/price-book.json and docs/prices.md from the price packages that package.json pins.
 * With `--check` it writes nothing and fails when the files are not what the packages give. A difference
 * to the second package that nobody has reviewed fails either way.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findProvider } from '@pydantic/genai-prices';
import * as z from 'zod/mini';
import type { BookModel } from '../core/catalog/price-book.ts';
import { complaintsAbout, crossCheck } from './prices/cross-check.ts';
import { bookOf } from './prices/from-genai-prices.ts';
import { pricesPage } from './prices/page.ts';
import { BOOK_PROVIDERS, REVIEWED_DIFFERENCES } from './prices/reviewed.ts';

const ROOT = join(import.meta.dirname, '..');
const PACKAGES = ['@pydantic/genai-prices', 'llm-pricing'] as const;

export interface SyncedPrices {
  /** Contents by path from the project's root. */
  readonly files: Readonly<Record<string, string>>;
  /** Differences to the second package that nobody has reviewed, and reviews of differences that are gone. */
  readonly complaints: readonly string[];
}

/** Pure but for reading the packages; the same packages give the same bytes. */
export function syncedPrices(): SyncedPrices {
  const [source, second] = PACKAGES.map(nameAndVersion);
  if (source === undefined || second === undefined) throw new Error('two packages are needed');
  const sold = BOOK_PROVIDERS.map((id) => {
    const provider = findProvider({ providerId: id });
    if (provider === undefined) throw new Error(`${source} does not know ${id}`);
    return { id, ...bookOf(provider) };
  });
  const providers = Object.fromEntries(sold.map(({ id, models }) => [id, models]));
  const check = crossCheck(providers);
  return {
    files: {
      'core/catalog/price-book.json': serialize(source.replace('@pydantic/', ''), providers),
      'docs/prices.md': pricesPage({ source, second, sold, check }),
    },
    complaints: complaintsAbout(check.differences, REVIEWED_DIFFERENCES),
  };
}

/** One model a line, so that a change of a price is a change of one line. */
function serialize(
  source: string,
  providers: Readonly<Record<string, readonly BookModel[]>>,
): string {
  const sections = Object.entries(providers).map(([id, models]) => {
    const lines = models.map((model) => `      ${JSON.stringify(model)}`);
    return `    ${JSON.stringify(id)}: [\n${lines.join(',\n')}\n    ]`;
  });
  return `{\n  "source": ${JSON.stringify(source)},\n  "providers": {\n${sections.join(',\n')}\n  }\n}\n`;
}

const manifestSchema = z.object({ version: z.string() });

function nameAndVersion(name: string): string {
  const path = join(ROOT, 'node_modules', name, 'package.json');
  const { version } = manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  return `${name}@${version}`;
}

function run(isCheck: boolean): void {
  const { files, complaints } = syncedPrices();
  const stale = Object.entries(files).filter(
    ([path, text]) => text !== readOrNothing(join(ROOT, path)),
  );
  for (const [path, text] of stale) {
    if (!isCheck) writeFileSync(join(ROOT, path), text);
    console.log(`${isCheck ? 'stale' : 'written'}: ${path}`);
  }
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0 || (isCheck && stale.length > 0)) process.exitCode = 1;
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  run(values.check);
}
