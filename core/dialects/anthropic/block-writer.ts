/**
 * Content blocks one after the other, as Anthropic's clients expect them, whatever order they come in.
 * The first block that is not whole streams; what comes meanwhile for later ones waits in memory. A block
 * of text is whole when something else follows it, a tool call when its JSON is.
 */
import { createJsonScan, type JsonScan } from './json-scan.ts';

interface Block {
  readonly index: number;
  readonly kind: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use';
  /** Undefined for what is whole as soon as something follows it. */
  readonly json: JsonScan | undefined;
  /** Nothing may be added any more: it was signed, or is whole in itself. */
  isSealed: boolean;
  waiting: string;
}

export interface BlockWriter {
  text(text: string): string;
  thinking(text: string): string;
  signature(signature: string): string;
  redactedThinking(data: string): string;
  toolCall(call: { readonly index: number; readonly id: string; readonly name: string }): string;
  toolArguments(index: number, json: string): string;
  /** Ends what is open, in order. */
  close(): string;
}

export function createBlockWriter(): BlockWriter {
  /** Those whose end is not sent yet; the first is the one that streams. */
  const open: Block[] = [];
  const tools = new Map<number, Block>();
  let blocks = 0;

  function begin(kind: Block['kind'], start: unknown): { block: Block; out: string } {
    const json = kind === 'tool_use' ? createJsonScan() : undefined;
    const block: Block = { index: blocks, kind, json, isSealed: false, waiting: '' };
    blocks += 1;
    open.push(block);
    return { block, out: write(block, startEvent(block.index, start)) + advance() };
  }

  function write(block: Block, event: string): string {
    if (block === open[0]) return event;
    block.waiting += event;
    return '';
  }

  /** Ends the blocks that are whole, and lets what waited behind them out. */
  function advance(isLast = false): string {
    let out = '';
    for (let head = open[0]; head !== undefined; head = open[0]) {
      const isWhole = open.length > 1 && (head.json === undefined || head.json.isWhole());
      if (!isWhole && !isLast) return out;
      open.shift();
      out += `${stopEvent(head.index)}${open[0]?.waiting ?? ''}`;
    }
    return out;
  }

  /** The block to go on with, or a new one of its kind. */
  function current(kind: 'text' | 'thinking', start: unknown): { block: Block; out: string } {
    const last = open.at(-1);
    return last?.kind === kind && !last.isSealed ? { block: last, out: '' } : begin(kind, start);
  }

  return {
    text(text) {
      const { block, out } = current('text', { type: 'text', text: '', citations: null });
      return out + write(block, deltaEvent(block.index, `"text_delta","text":${quoted(text)}`));
    },
    thinking(text) {
      const { block, out } = current('thinking', EMPTY_THINKING);
      const delta = deltaEvent(block.index, `"thinking_delta","thinking":${quoted(text)}`);
      return out + write(block, delta);
    },
    signature(signature) {
      const { block, out } = current('thinking', EMPTY_THINKING);
      block.isSealed = true;
      const delta = deltaEvent(block.index, `"signature_delta","signature":${quoted(signature)}`);
      return out + write(block, delta);
    },
    redactedThinking: (data) => begin('redacted_thinking', { type: 'redacted_thinking', data }).out,
    toolCall({ index, id, name }) {
      const start = { type: 'tool_use', id, name, input: {}, caller: { type: 'direct' } };
      const { block, out } = begin('tool_use', start);
      tools.set(index, block);
      return out;
    },
    toolArguments(index, json) {
      const block = tools.get(index);
      if (block === undefined || block.json?.isWhole() === true) return '';
      block.json?.add(json);
      const delta = deltaEvent(block.index, `"input_json_delta","partial_json":${quoted(json)}`);
      return write(block, delta) + advance();
    },
    close: () => advance(true),
  };
}

const EMPTY_THINKING = { type: 'thinking', thinking: '', signature: '' };

function startEvent(index: number, block: unknown): string {
  return `event: content_block_start\ndata: {"type":"content_block_start","index":${index},"content_block":${JSON.stringify(block)}}\n\n`;
}

function deltaEvent(index: number, delta: string): string {
  return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":${delta}}}\n\n`;
}

function stopEvent(index: number): string {
  return `event: content_block_stop\ndata: {"type":"content_block_stop","index":${index}}\n\n`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
