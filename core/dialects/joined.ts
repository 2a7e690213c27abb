/** Parts as one. Those that lie side by side already, as the untouched events of one read do, are not copied. */
export function joined(parts: readonly Buffer[]): Buffer {
  const runs: Buffer[] = [];
  let first: Buffer = NOTHING;
  let length = 0;
  const endRun = () => {
    if (length > 0) runs.push(Buffer.from(first.buffer, first.byteOffset, length));
  };
  for (const part of parts) {
    if (part.length === 0) continue;
    const isNext = part.buffer === first.buffer && part.byteOffset === first.byteOffset + length;
    if (isNext) length += part.length;
    else {
      endRun();
      first = part;
      length = part.length;
    }
  }
  endRun();
  return runs.length === 1 && runs[0] !== undefined ? runs[0] : Buffer.concat(runs);
}

const NOTHING = Buffer.alloc(0);
