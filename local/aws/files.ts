/** Files that survive a kill: appended whole lines, and contents replaced in one step. */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

export interface AppendFile {
  readonly bytes: number;
  /** Returns when the operating system has the text: it survives this process, not a power cut. */
  append(text: string): void;
  read(from: number, to: number): Buffer;
  close(): void;
}

const NEWLINE = 10;
const TAIL_BLOCK_BYTES = 65_536;

/** Opens a file of lines. A last line without its end was never acknowledged: it is cut off. */
export function openAppendFile(path: string): AppendFile {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'a+');
  let bytes = endOfLastLine(fd);
  ftruncateSync(fd, bytes);
  return {
    get bytes() {
      return bytes;
    },
    append(text) {
      const data = Buffer.from(text);
      try {
        for (let done = 0; done < data.length; ) done += writeSync(fd, data, done);
      } catch (error) {
        // A full disk leaves part of the text: without the cut the next append would join a torn line.
        ftruncateSync(fd, bytes);
        throw error;
      }
      bytes += data.length;
    },
    read(from, to) {
      return readRange(fd, from, to);
    },
    close() {
      closeSync(fd);
    },
  };
}

/** Ends the names of files being written. A lone `%` occurs in no object's file name, so listings can skip it. */
export const TEMPORARY_SUFFIX = '%tmp';

/** Replaces a file in one step: a reader sees the old or the new content, never a part. */
export function writeFileAtomically(path: string, data: string | Uint8Array, mode = 0o666): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = path + TEMPORARY_SUFFIX;
  writeFileSync(temporary, data, { mode });
  renameSync(temporary, path);
}

/** Keeps one line for a person to read; the file is set aside at 16 MB, and one old file is kept. */
export function keepLine(path: string, line: string): void {
  const file = openAppendFile(path);
  file.append(`${line}\n`);
  const full = file.bytes > 16_777_216;
  file.close();
  if (full && existsSync(path)) renameSync(path, `${path}.old`);
}

function endOfLastLine(fd: number): number {
  let end = fstatSync(fd).size;
  while (end > 0) {
    const start = Math.max(0, end - TAIL_BLOCK_BYTES);
    const at = readRange(fd, start, end).lastIndexOf(NEWLINE);
    if (at !== -1) return start + at + 1;
    end = start;
  }
  return 0;
}

function readRange(fd: number, from: number, to: number): Buffer {
  const data = Buffer.allocUnsafe(to - from);
  let done = 0;
  while (done < data.length) {
    const count = readSync(fd, data, done, data.length - done, from + done);
    if (count === 0) return data.subarray(0, done);
    done += count;
  }
  return data;
}
