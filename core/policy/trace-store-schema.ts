/** What a tenant's policy says of the trace store: whether prompts and answers are kept, how many for longer, and what is redacted. */
import type { TraceStore } from '../catalog/snapshot.ts';
import { isRedactPattern, MAX_PATTERNS } from '../traces/redact-patterns.ts';
import { choice, leaf, list, mapping, within } from './schema-parts.ts';
import { parseCount } from './units.ts';

const DEFAULT_COLD_PERCENT = 1;

const coldShare = leaf('a whole percent from 1 to 5, such as 1%', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 1, 5),
);

const pattern = leaf(
  'a text of 4 to 64 characters to redact, in which # is a digit and @ a letter, such as EMP-######',
  (text) => (isRedactPattern(text) ? text : undefined),
);

export const traceStore = mapping({
  mode: choice({ off: 'off', metadata: 'metadata', full: 'full' }),
  sample_cold: coldShare.default(DEFAULT_COLD_PERCENT),
  redact: list(pattern)
    .max(MAX_PATTERNS, { error: `at most ${MAX_PATTERNS} patterns` })
    .default([]),
});

interface FileTraceStore {
  readonly mode: TraceStore['mode'] | 'off';
  readonly sample_cold: number;
  readonly redact: readonly string[];
}

/** Undefined where nothing is kept. */
export function toTraceStore(file: FileTraceStore | undefined): TraceStore | undefined {
  if (file === undefined || file.mode === 'off') return undefined;
  const { mode, sample_cold: coldPercent, redact } = file;
  return { mode, coldPercent, ...(redact.length === 0 ? {} : { redact: [...redact] }) };
}
