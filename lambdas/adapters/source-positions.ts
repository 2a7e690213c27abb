/**
 * Where the minified code of a stack comes from. Node's own flag for that reads the whole source map whenever a process
 * starts, which is a quarter of its start (ADR 0020); here it is read when the first fault is reported.
 */
import type { SourceMap } from 'node:module';

const maps = new Map<string, SourceMap | undefined>();

/** The stack as it is where the code has no map. */
export function withSourcePositions(stack: string): string {
  return stack.replaceAll(/(file:\/\/\S+?):(\d+):(\d+)/g, (place, file, line, column) => {
    const origin = mapOf(file)?.findOrigin(Number(line), Number(column));
    if (origin === undefined || !('fileName' in origin)) return place;
    return `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) maps.set(file, readMap(file));
  return maps.get(file);
}

function readMap(file: string): SourceMap | undefined {
  const { SourceMap } = process.getBuiltinModule('node:module');
  const { readFileSync } = process.getBuiltinModule('node:fs');
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${file}.map`), 'utf8')));
  } catch {
    return undefined;
  }
}
