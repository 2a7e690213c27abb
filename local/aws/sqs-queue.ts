import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { createDoorbell } from './doorbell.ts';
import { type AppendFile, openAppendFile, writeFileAtomically } from './files.ts';
import type { QueueSpec } from './resources.ts';

/** As on the wire. */
export const messageAttributeSchema = z.object({
  DataType: z.string(),
  StringValue: z.optional(z.string()),
  BinaryValue: z.optional(z.string()),
});
export type MessageAttribute = z.infer<typeof messageAttributeSchema>;

const messageSchema = z.object({
  id: z.string(),
  body: z.string(),
  attributes: z.record(z.string(), messageAttributeSchema),
  sentAtMs: z.number(),
  receiveCount: z.number(),
  visibleAtMs: z.number(),
});
export type Message = z.infer<typeof messageSchema>;

/** One line of the queue's file. */
const changeSchema = z.union([z.object({ put: messageSchema }), z.object({ remove: z.string() })]);
type Change = z.infer<typeof changeSchema>;

interface Outgoing {
  readonly body: string;
  readonly attributes?: Record<string, MessageAttribute> | undefined;
  readonly delaySeconds?: number | undefined;
}

export interface Queue {
  readonly spec: QueueSpec;
  readonly visibilityTimeoutSeconds: number;
  /** Messages that are waiting, in flight or delayed. */
  readonly messages: Iterable<Message>;
  send(outgoing: readonly Outgoing[]): readonly Message[];
  /** Waits up to `waitSeconds` for the first message; empty when none came. */
  receive(request: ReceiveRequest): Promise<readonly Message[]>;
  remove(ids: readonly string[]): void;
  /** False when the message is gone. */
  changeVisibility(id: string, seconds: number): boolean;
  close(): void;
}

interface ReceiveRequest {
  readonly max: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_VISIBILITY_SECONDS = 30;
const COMPACT_AT_BYTES = 8_388_608;
/** Messages in flight become visible again without anyone ringing. */
const MAX_SLEEP_MS = 250;

export function openQueue(options: {
  spec: QueueSpec;
  path: string;
  clock: Clock;
  /** Sends to the dead-letter queue; called for a message that was received too often. */
  redrive: (message: Message) => void;
}): Queue {
  const { spec, path, clock, redrive } = options;
  const messages = readMessages(path);
  let file = compacted();
  const doorbell = createDoorbell();
  const visibilityTimeoutSeconds = spec.visibilityTimeoutSeconds ?? DEFAULT_VISIBILITY_SECONDS;

  /** The file holds every change; this leaves the messages that are still there. */
  function compacted(): AppendFile {
    if (messages.size === 0 && !existsSync(path)) return openAppendFile(path);
    writeFileAtomically(path, [...messages.values()].map((put) => line({ put })).join(''));
    return openAppendFile(path);
  }
  function record(changes: readonly Change[]): void {
    if (file.bytes > COMPACT_AT_BYTES && file.bytes > 2 * liveBytes(messages)) {
      file.close();
      file = compacted();
    }
    file.append(changes.map(line).join(''));
  }
  function remove(ids: readonly string[]): void {
    record(ids.map((id) => ({ remove: id })));
    for (const id of ids) messages.delete(id);
  }
  function takeVisible(request: ReceiveRequest): readonly Message[] {
    const nowMs = clock.nowMs();
    const visibleAtMs = nowMs + (request.visibilitySeconds ?? visibilityTimeoutSeconds) * 1000;
    const taken: Message[] = [];
    for (const message of messages.values()) {
      if (taken.length >= request.max) break;
      if (message.visibleAtMs > nowMs) continue;
      if (message.receiveCount >= (spec.maxReceiveCount ?? Number.POSITIVE_INFINITY)) {
        redrive(message);
        remove([message.id]);
        continue;
      }
      const received = { ...message, receiveCount: message.receiveCount + 1, visibleAtMs };
      messages.set(message.id, received);
      taken.push(received);
    }
    if (taken.length > 0) record(taken.map((put) => ({ put })));
    return taken;
  }

  return {
    spec,
    visibilityTimeoutSeconds,
    get messages() {
      return messages.values();
    },
    send(outgoing) {
      const sent = outgoing.map((one) => newMessage(one, clock.nowMs()));
      record(sent.map((put) => ({ put })));
      for (const message of sent) messages.set(message.id, message);
      doorbell.ring();
      return sent;
    },
    async receive(request) {
      const untilMs = clock.nowMs() + request.waitSeconds * 1000;
      for (;;) {
        const taken = takeVisible(request);
        const leftMs = untilMs - clock.nowMs();
        if (taken.length > 0 || leftMs <= 0 || request.signal?.aborted === true) return taken;
        await doorbell.wait(Math.min(leftMs, MAX_SLEEP_MS), request.signal);
      }
    },
    remove,
    changeVisibility(id, seconds) {
      const message = messages.get(id);
      if (message === undefined) return false;
      const changed = { ...message, visibleAtMs: clock.nowMs() + seconds * 1000 };
      record([{ put: changed }]);
      messages.set(id, changed);
      return true;
    },
    close() {
      doorbell.ring();
      file.close();
    },
  };
}

/** After a restart nobody holds a message: all are visible again, unless they are still delayed. */
function readMessages(path: string): Map<string, Message> {
  const messages = new Map<string, Message>();
  if (!existsSync(path)) return messages;
  openAppendFile(path).close();
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text === '') continue;
    const change = changeSchema.parse(JSON.parse(text));
    if ('remove' in change) messages.delete(change.remove);
    else messages.set(change.put.id, change.put);
  }
  for (const [id, message] of messages) {
    if (message.receiveCount > 0) messages.set(id, { ...message, visibleAtMs: 0 });
  }
  return messages;
}

function line(change: Change): string {
  return `${JSON.stringify(change)}\n`;
}

function liveBytes(messages: ReadonlyMap<string, Message>): number {
  return [...messages.values()].reduce((sum, { body }) => sum + body.length, 0);
}

function newMessage(outgoing: Outgoing, nowMs: EpochMs): Message {
  return {
    id: randomUUID(),
    body: outgoing.body,
    attributes: outgoing.attributes ?? {},
    sentAtMs: nowMs,
    receiveCount: 0,
    visibleAtMs: nowMs + (outgoing.delaySeconds ?? 0) * 1000,
  };
}
