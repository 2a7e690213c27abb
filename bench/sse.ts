/**
 * What one event of a stream costs in CPU: parsed, and parsed and relayed by the chat dialect. Prints
 * microseconds an event for events that come whole, in pieces, and many at a time. Run: node bench/sse.ts
 */
import { createChatStream } from '../core/dialects/openai/chat-stream.ts';
import { createSseParser } from '../core/dialects/sse.ts';
import { quantile } from './statistics.ts';

const EVENTS = 20_000;
const ROUNDS = 9;
/** As many bytes as a read of a socket brings of each. */
const ARRIVALS = { whole: 'one event a read', pieces: '100 bytes a read', bulk: '64 kB a read' };
type Arrival = keyof typeof ARRIVALS;

function main(): void {
  const events = Array.from({ length: EVENTS }, (_, index) => chunkEvent(index));
  console.log(`median of ${ROUNDS} rounds of ${EVENTS} events of ${events[0]?.length} bytes\n`);
  console.log('arrival              parse us/event   parse + relay us/event');
  for (const arrival of Object.keys(ARRIVALS).filter(isArrival)) {
    const reads = readsOf(events, arrival);
    const parse = cpuUsPerEvent(() => {
      const parser = createSseParser();
      return (read) => parser.push(read);
    }, reads);
    const relay = cpuUsPerEvent(() => {
      const stream = createChatStream({ wantsUsage: false });
      return (read) => stream.push(read);
    }, reads);
    const figures = `${parse.toFixed(2).padStart(14)}${relay.toFixed(2).padStart(25)}`;
    console.log(`${ARRIVALS[arrival].padEnd(20)}${figures}`);
  }
}

function isArrival(name: string): name is Arrival {
  return name in ARRIVALS;
}

function chunkEvent(index: number): Buffer {
  const delta = { content: ` wort${index % 100}ü` };
  const chunk = {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion.chunk',
    created: 1_741_569_952,
    model: 'gpt-5-mini-2025-08-07',
    service_tier: 'default',
    system_fingerprint: 'fp_44709d6fcb',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: null }],
    usage: null,
  };
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
}

function readsOf(events: readonly Buffer[], arrival: Arrival): readonly Buffer[] {
  if (arrival === 'whole') return events;
  const bytes = Buffer.concat(events);
  const size = arrival === 'pieces' ? 100 : 65_536;
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** A new reader for every round, so that no round inherits another's state. */
function cpuUsPerEvent(open: () => (read: Buffer) => unknown, reads: readonly Buffer[]): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const push = open();
    const before = process.cpuUsage();
    for (const read of reads) push(read);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / EVENTS;
  });
  return quantile(rounds, 0.5);
}

main();
