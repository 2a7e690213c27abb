/** One thing wrong with a policy file, told so that its author can mend it without asking anybody. */
export interface PolicyError {
  /** Where it came from a file. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in characters. */
  readonly column?: number;
  /** Names from the file's top, `tenants.acme.teams.search`; empty for the whole file. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  /** The known name that was probably meant. */
  readonly suggestion?: string;
}

/** `policy.yaml:12:7 tenants.acme.teams.search: expected ..., found ... (did you mean ...?)` */
export function formatPolicyError(error: PolicyError): string {
  const place = error.file === undefined ? '' : `${error.file}:${error.line}:${error.column}`;
  const where = [place, error.path].filter((text) => text !== '').join(' ');
  const hint = error.suggestion === undefined ? '' : ` (did you mean "${error.suggestion}"?)`;
  return `${where}: expected ${error.expected}, found ${error.found}${hint}`;
}

const LONGEST_COMPARED = 64;

/** The candidate closest in spelling, if it is close enough to be what was meant. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > LONGEST_COMPARED) return undefined;
  let nearest: string | undefined;
  let best = Math.ceil(name.length / 3) + 1;
  for (const candidate of candidates) {
    if (candidate.length > LONGEST_COMPARED) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < best) [nearest, best] = [candidate, distance];
  }
  return nearest;
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [row, fromCharacter] of [...from].entries()) {
    const current = [row + 1];
    for (const [column, toCharacter] of [...to].entries()) {
      const replaced = (previous[column] ?? 0) + (fromCharacter === toCharacter ? 0 : 1);
      const removed = (previous[column + 1] ?? 0) + 1;
      current.push(Math.min(replaced, removed, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
