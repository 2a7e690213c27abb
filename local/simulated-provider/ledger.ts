/**
 * The provider's own books: what it generated for every call, whoever heard it. Tests compare the
 * gateway's ledger with this one. A row is in the file (one write to the kernel) before the last byte
 * of its answer leaves, so it survives kill -9; a torn last line is dropped at the next start.
 */
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const count = z.int().nonnegative();

const rowSchema = z.object({
  /** Epoch milliseconds. */
  startedAtMs: count,
  /** The id in the answer's body. */
  id: z.string(),
  dialect: z.string().default('openai-chat'),
  /** The caller's `x-request-id`. */
  requestId: z.string().nullable(),
  /** First 16 hex digits of the SHA-256 of the authorization header. */
  authorizationHash: z.string().nullable(),
  model: z.string(),
  stream: z.boolean(),
  status: count,
  fault: z.union([z.string(), count]).nullable(),
  /** `refused`: nothing was generated. */
  end: z.enum(['complete', 'client-left', 'reset', 'stalled', 'refused']),
  promptTokens: count,
  /** Part of promptTokens. */
  cachedTokens: count,
  /** Part of promptTokens. */
  cacheWriteTokens: count.default(0),
  completionTokens: count,
  /** Part of completionTokens. */
  reasoningTokens: count,
  /** The caller was sent this usage, whole and true. */
  usageReported: z.boolean(),
});

export type LedgerRow = z.infer<typeof rowSchema>;

interface Sums {
  readonly calls: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

export interface LedgerTotals extends Sums {
  /** Calls whose usage the caller was told. */
  readonly reported: Sums;
}

export interface Ledger {
  record(row: LedgerRow): void;
  totals(): LedgerTotals;
  /** The latest rows, oldest first; at most 20,000 are kept in memory. */
  rows(): readonly LedgerRow[];
  close(): void;
}

const MAX_ROWS = 20_000;
const FILE_NAME = 'ledger.ndjson';
const NEWLINE = 10;

/** Without a folder the ledger is in memory only. */
export function openLedger(dataDir: string | undefined): Ledger {
  const file = dataDir === undefined ? undefined : openFile(dataDir);
  const all = { ...NOTHING };
  const reported = { ...NOTHING };
  let rows: LedgerRow[] = [];
  const remember = (row: LedgerRow) => {
    add(all, row);
    if (row.usageReported) add(reported, row);
    rows.push(row);
    if (rows.length >= 2 * MAX_ROWS) rows = rows.slice(-MAX_ROWS);
  };
  for (const row of file?.rows ?? []) remember(row);
  return {
    record: (row) => {
      if (file !== undefined) writeSync(file.descriptor, `${JSON.stringify(row)}\n`);
      remember(row);
    },
    totals: () => ({ ...all, reported: { ...reported } }),
    rows: () => rows.slice(-MAX_ROWS),
    close: () => {
      if (file !== undefined) closeSync(file.descriptor);
    },
  };
}

const NOTHING = {
  calls: 0,
  promptTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
};

function add(totals: typeof NOTHING, row: LedgerRow): void {
  totals.calls += 1;
  totals.promptTokens += row.promptTokens;
  totals.cachedTokens += row.cachedTokens;
  totals.cacheWriteTokens += row.cacheWriteTokens;
  totals.completionTokens += row.completionTokens;
  totals.reasoningTokens += row.reasoningTokens;
}

function openFile(dataDir: string) {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, FILE_NAME);
  const descriptor = openSync(path, 'a+');
  const bytes = readFileSync(path);
  const whole = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
  if (whole.length < bytes.length) truncateSync(path, whole.length);
  const lines = whole.toString().split('\n').slice(0, -1);
  return { descriptor, rows: lines.map((line) => rowSchema.parse(JSON.parse(line))) };
}
