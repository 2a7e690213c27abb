/**
 * Streams as Anthropic's documentation shows them ("Streaming messages", read 2026-11-21; model names of that
 * page), written by hand: text with a ping, thinking with a signature, and two tools.
 */
import { readFileSync } from 'node:fs';

export const STREAMS = ['text', 'thinking', 'tools'] as const;

export function streamOf(name: (typeof STREAMS)[number]): Buffer {
  return readFileSync(new URL(`../../../fixtures/anthropic/${name}.sse`, import.meta.url));
}
