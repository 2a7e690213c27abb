/**
 * The policy file, from text to a checked policy or to the list of everything wrong with it, each with
 * line, column, path, what was expected and what was found. A file with one error is refused whole.
 * Pure: it reads no files, applies nothing, and never throws, whatever the text.
 */
import type * as z from 'zod';
import { fromJson, type Tree } from '../governance/tree.ts';
import type { Finding } from './outline.ts';
import { nearestName, type PolicyError } from './policy-error.ts';
import { type Policy, policySchema } from './policy-schema.ts';
import { checkReferences } from './references.ts';
import { ONE_OF } from './schema-parts.ts';
import { type Fault, type Path, readYaml } from './yaml-tree.ts';

type ParsedPolicy =
  | { readonly kind: 'ok'; readonly policy: Policy; readonly tree: Tree }
  | { readonly kind: 'invalid'; readonly errors: readonly PolicyError[] };

/** More than anybody reads at once; the rest appears when these are mended. */
const MAX_ERRORS = 1000;
const LONGEST_FOUND = 60;

export function parsePolicy(text: string, fileName: string): ParsedPolicy {
  const read = readYaml(text);
  if (read.kind === 'unreadable') return invalid(read.faults.map((f) => fromFault(f, fileName)));
  const checked = checkTree(read.value, (finding) => ({
    file: fileName,
    ...read.positionOf(finding.path, finding.part),
  }));
  const faults = read.faults.map((fault) => fromFault(fault, fileName));
  if (checked.kind === 'invalid') return invalid([...faults, ...checked.errors]);
  return faults.length === 0 ? checked : invalid(faults);
}

type PlaceOf = (finding: Finding) => Pick<PolicyError, 'file' | 'line' | 'column'>;

/** The same judgement of a tree that came from elsewhere than a file. */
export function checkTree(value: unknown, placeOf: PlaceOf = () => ({})): ParsedPolicy {
  const parsed = policySchema.safeParse(value);
  const findings = distinct([
    ...(parsed.error?.issues ?? []).flatMap(findingsOf),
    ...checkReferences(value),
  ]);
  const read = fromJson(value);
  if (parsed.success && findings.length === 0 && read.kind === 'tree')
    return { kind: 'ok', policy: parsed.data, tree: read.tree };
  return invalid(
    findings
      .slice(0, MAX_ERRORS)
      .map((finding) => ({ ...placeOf(finding), ...explain(finding, value) })),
  );
}

function invalid(errors: readonly PolicyError[]): ParsedPolicy {
  const inOrder = errors.toSorted(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  return { kind: 'invalid', errors: inOrder.slice(0, MAX_ERRORS) };
}

function fromFault({ position, path, expected, found }: Fault, file: string): PolicyError {
  return { file, ...position, path: renderPath(path), expected, found };
}

/** What is no name at all is not reported once more as an unknown one. */
function distinct(findings: readonly Finding[]): Finding[] {
  const byPath = new Map<string, Finding>();
  for (const finding of findings) {
    const path = renderPath(finding.path);
    if (!byPath.has(path)) byPath.set(path, finding);
  }
  return [...byPath.values()];
}

function findingsOf(issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const expected = issue.message;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((name) => unknownName([...path, name], expected));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, part: 'name', expected: message }));
    default:
      return [{ path, part: 'value', expected, candidates: choicesIn(expected) }];
  }
}

/** Inside braces a comma ends a value: `{ monthly_budget: $50,000 }` reads as $50 and a name "000". */
const SPLIT_NUMBER = /^\d{3}(\.\d+)?[KMB]?$/;

function unknownName(path: Path, expected: string): Finding {
  const name = String(path.at(-1));
  if (SPLIT_NUMBER.test(name)) {
    const quoted = 'quotes around a number with commas inside { }, such as "$50,000"';
    return { path, part: 'name', expected: quoted };
  }
  return { path, part: 'name', expected, candidates: choicesIn(expected) };
}

function choicesIn(expected: string): readonly string[] {
  return expected.startsWith(ONE_OF) ? expected.slice(ONE_OF.length).split(', ') : [];
}

function explain({ path, part, expected, candidates }: Finding, tree: unknown) {
  const value = part === 'name' ? path.at(-1) : valueAt(tree, path);
  const suggestion = typeof value === 'string' ? nearestName(value, candidates ?? []) : undefined;
  const found = path.at(-1) === 'secret' && part === 'value' ? redact(value) : describe(value);
  const error = { path: renderPath(path), expected, found };
  return suggestion === undefined ? error : { ...error, suggestion };
}

function renderPath(path: Path): string {
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`,
    )
    .join('');
}

function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    return inside ? Reflect.get(value, step) : undefined;
  }, tree);
}

function describe(value: unknown): string {
  if (value === undefined || value === '') return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== 'string') return 'a mapping';
  return JSON.stringify(
    value.length > LONGEST_FOUND ? `${value.slice(0, LONGEST_FOUND)}...` : value,
  );
}

/** A provider key pasted where its secret's name belongs must not travel on in an error message. */
function redact(value: unknown): string {
  return typeof value === 'string' ? `a text of ${value.length} characters` : describe(value);
}
