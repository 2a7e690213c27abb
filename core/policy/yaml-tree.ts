/**
 * Reads YAML into a plain tree whose leaves are the author's own texts (the failsafe schema: `0.10`
 * stays "0.10"), and remembers where everything stands. Bounded: text size, depth, and the number of
 * nodes after aliases are followed, so that a small file cannot unfold into a large one.
 */
import * as yaml from 'yaml';

export type Path = readonly (string | number)[];

interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Fault {
  readonly position: Position;
  readonly path: Path;
  readonly expected: string;
  readonly found: string;
}

type YamlTree =
  | { readonly kind: 'unreadable'; readonly faults: readonly Fault[] }
  | {
      readonly kind: 'read';
      readonly value: unknown;
      /** What is wrong although the tree could be read: a name given twice, for example. */
      readonly faults: readonly Fault[];
      /** Position of the name or of the value at the path; of the closest name above when there is none. */
      readonly positionOf: (path: Path, part: 'name' | 'value') => Position;
    };

/** 10,000 declared keys with their limits take 2.5 MB; a function's request holds 6 MB, escapes included. */
const MAX_BYTES = 4_000_000;
const MAX_NODES = 400_000;
/** Each of these may cost the parser microseconds and an error; a megabyte of them costs 15 seconds. */
const INDICATORS = /[[\]{}?&*!]/g;
const MAX_INDICATORS = 150_000;
const MAX_DEPTH = 16;
const MAX_PROBLEMS = 1000;
/** Duplicate names are left to the reader below: the parser's own check compares all pairs of names. */
const PARSING = {
  schema: 'failsafe',
  prettyErrors: false,
  uniqueKeys: false,
  logLevel: 'error',
} as const;
const START: Position = { line: 1, column: 1 };

export function readYaml(text: string): YamlTree {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) {
    return unreadable(START, `a file of at most ${MAX_BYTES} bytes`, `${bytes} bytes`);
  }
  const indicators = text.match(INDICATORS)?.length ?? 0;
  if (indicators > MAX_INDICATORS) {
    return unreadable(START, `at most ${MAX_INDICATORS} of [ ] { } ? & * !`, String(indicators));
  }
  const lineCounter = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { ...PARSING, lineCounter });
  const problems = [...document.errors, ...document.warnings].slice(0, MAX_PROBLEMS);
  if (problems.length === 0) return new TreeReader(document, lineCounter).read();
  const faults = problems.map(({ pos, message }) => ({
    position: positionAt(lineCounter, pos[0]),
    path: [],
    expected: 'valid YAML',
    found: `a fault: ${message.slice(0, 200)}`,
  }));
  return { kind: 'unreadable', faults };
}

function unreadable(position: Position, expected: string, found: string): YamlTree {
  return { kind: 'unreadable', faults: [{ position, path: [], expected, found }] };
}

function positionAt(lines: yaml.LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

interface Place {
  readonly name: number;
  readonly value: number;
}

/** One pass over the document; the state is the bounds, the faults and the places seen so far. */
class TreeReader {
  readonly #document: yaml.Document.Parsed;
  readonly #lines: yaml.LineCounter;
  readonly #faults: Fault[] = [];
  readonly #places = new Map<string, Place>();
  readonly #anchors = new Map<string, yaml.Node>();
  #nodes = 0;

  constructor(document: yaml.Document.Parsed, lines: yaml.LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  read(): YamlTree {
    const value = this.#plain(this.#document.contents, [], 0);
    if (this.#nodes > MAX_NODES) {
      return unreadable(START, `at most ${MAX_NODES} values, aliases followed`, 'more');
    }
    return {
      kind: 'read',
      value,
      faults: this.#faults,
      positionOf: (path, part) => this.#positionOf(path, part),
    };
  }

  #plain(node: unknown, path: Path, name: number): unknown {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES || !yaml.isNode(node)) return undefined;
    const at = offsetOf(node, name);
    this.#places.set(placeKey(path), { name, value: at });
    if (path.length > MAX_DEPTH) {
      return this.#fault(at, { path, expected: `at most ${MAX_DEPTH} levels`, found: 'more' });
    }
    this.#rememberAnchor(node, path, at);
    if (yaml.isAlias(node)) return this.#followed(node, path, name);
    if (yaml.isMap(node)) return this.#mapping(node, path);
    if (yaml.isSeq(node)) {
      return node.items.map((item, index) =>
        this.#plain(item, [...path, index], offsetOf(item, at)),
      );
    }
    return yaml.isScalar(node) ? String(node.value) : undefined;
  }

  #followed(alias: yaml.Alias, path: Path, name: number): unknown {
    const target = this.#anchors.get(alias.source);
    if (target !== undefined) return this.#plain(target, path, name);
    const expected = 'an anchor defined above';
    return this.#fault(name, { path, expected, found: `*${alias.source}` });
  }

  /** Looked up here, since the parser's own look-up walks the whole document once for every alias. */
  #rememberAnchor(node: yaml.Node, path: Path, at: number): void {
    const anchor = yaml.isAlias(node) || !('anchor' in node) ? undefined : node.anchor;
    if (typeof anchor !== 'string') return;
    if ((this.#anchors.get(anchor) ?? node) !== node) {
      this.#fault(at, { path, expected: 'each anchor once', found: `&${anchor} again` });
    }
    this.#anchors.set(anchor, node);
  }

  #mapping(map: yaml.YAMLMap, path: Path): unknown {
    const plain: Record<string, unknown> = {};
    for (const { key, value } of map.items) {
      const at = offsetOf(key, 0);
      const name = yaml.isScalar(key) ? String(key.value) : undefined;
      if (name === undefined || name === '__proto__') {
        const found = name ?? 'something else';
        this.#fault(at, { path, expected: 'a plain name', found });
      } else if (Object.hasOwn(plain, name)) {
        const place = [...path, name];
        const first = this.#positionOf(place, 'name').line;
        const found = `"${name}" again, first in line ${first}`;
        this.#fault(at, { path: place, expected: 'each name once', found });
      } else {
        plain[name] = this.#plain(value, [...path, name], at);
      }
    }
    return plain;
  }

  #fault(offset: number, fault: Omit<Fault, 'position'>): undefined {
    const position = positionAt(this.#lines, offset);
    this.#faults.push({ ...fault, position, found: fault.found.slice(0, 200) });
  }

  #positionOf(path: Path, part: 'name' | 'value'): Position {
    const place = this.#places.get(placeKey(path));
    if (place !== undefined) return positionAt(this.#lines, place[part]);
    return path.length === 0 ? START : this.#positionOf(path.slice(0, -1), 'name');
  }
}

function offsetOf(node: unknown, otherwise: number): number {
  return yaml.isNode(node) ? (node.range?.[0] ?? otherwise) : otherwise;
}

function placeKey(path: Path): string {
  return JSON.stringify(path);
}
