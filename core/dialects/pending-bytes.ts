/**
 * Bytes that wait for the rest of what they belong to. What was taken out of them is never written over,
 * so it may be kept, and copying stays linear in what comes, however small the pieces are.
 */
export interface PendingBytes {
  /** Adds bytes; returns all that wait. */
  append(chunk: Uint8Array): Buffer;
  /** The first bytes are done with. */
  drop(count: number): void;
  isEmpty(): boolean;
}

export function createPendingBytes(): PendingBytes {
  let bytes: Buffer = Buffer.alloc(0);
  /** Where `bytes` end in a buffer that was made here with room behind them; undefined when it is the sender's. */
  let room: { readonly store: Buffer; end: number } | undefined;

  function append(chunk: Uint8Array): Buffer {
    const total = bytes.length + chunk.length;
    if (bytes.length === 0) {
      room = undefined;
      bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      return bytes;
    }
    if (room === undefined || room.end + chunk.length > room.store.length) {
      room = { store: Buffer.allocUnsafeSlow(total * 2), end: bytes.length };
      room.store.set(bytes);
    }
    room.store.set(chunk, room.end);
    room.end += chunk.length;
    bytes = room.store.subarray(room.end - total, room.end);
    return bytes;
  }

  return {
    append,
    drop: (count) => {
      bytes = bytes.subarray(count);
    },
    isEmpty: () => bytes.length === 0,
  };
}
