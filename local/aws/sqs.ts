import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type JsonService, type Operation, operation } from './json-service.ts';
import { checkedName, nameOf } from './names.ts';
import type { QueueSpec } from './resources.ts';
import { type Message, messageAttributeSchema, openQueue, type Queue } from './sqs-queue.ts';
import { AwsError } from './wire.ts';

export interface Sqs {
  readonly service: JsonService;
  create(spec: QueueSpec): void;
  /** Throws QueueDoesNotExist. */
  queue(name: string): Queue;
  queueArn(name: string): string;
  close(): void;
}

const MAX_BATCH = 10;
const MAX_MESSAGE_BYTES = 1_048_576;
const MAX_WAIT_SECONDS = 20;
const MAX_VISIBILITY_SECONDS = 43_200;

export function createSqs(options: {
  dir: string;
  clock: Clock;
  arn: (service: string, resource: string) => string;
  queueUrl: (name: string) => string;
}): Sqs {
  const { dir, clock, arn, queueUrl } = options;
  const queues = new Map<string, Queue>();

  function queue(name: string): Queue {
    const found = queues.get(name);
    if (found !== undefined) return found;
    throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
  }
  function create(spec: QueueSpec): void {
    if (queues.has(spec.name)) return;
    const redrive = (message: Message): void => {
      queue(spec.deadLetterQueue ?? '').send([message]);
    };
    const path = join(dir, `${checkedName(spec.name)}.ndjson`);
    queues.set(spec.name, openQueue({ spec, path, clock, redrive }));
  }
  const queueArn = (name: string): string => arn('sqs', name);
  const byUrl = (url: string): Queue => queue(nameOf(url));

  return {
    service: {
      name: 'sqs',
      target: 'AmazonSQS',
      throttleCode: 'RequestThrottled',
      operations: {
        ...adminOperations({ clock, queue, byUrl, create, queueUrl, queueArn }),
        ...sendOperations(byUrl),
        ...receiveOperations(byUrl),
      },
    },
    create,
    queue,
    queueArn,
    close() {
      for (const open of queues.values()) open.close();
    },
  };
}

const byQueueUrl = z.object({ QueueUrl: z.string() });

function adminOperations(options: {
  clock: Clock;
  queue: (name: string) => Queue;
  byUrl: (url: string) => Queue;
  create: (spec: QueueSpec) => void;
  queueUrl: (name: string) => string;
  queueArn: (name: string) => string;
}): Record<string, Operation> {
  const { clock, queue, byUrl, create, queueUrl, queueArn } = options;
  return {
    CreateQueue: operation(createQueueSchema, ({ QueueName, Attributes }) => {
      create(queueSpec(QueueName, Attributes ?? {}));
      return { QueueUrl: queueUrl(QueueName) };
    }),
    GetQueueUrl: operation(z.object({ QueueName: z.string() }), ({ QueueName }) => ({
      QueueUrl: queueUrl(queue(QueueName).spec.name),
    })),
    GetQueueAttributes: operation(byQueueUrl, ({ QueueUrl }) => ({
      Attributes: attributesOf(byUrl(QueueUrl), queueArn, clock.nowMs()),
    })),
  };
}

const createQueueSchema = z.object({
  QueueName: z.string(),
  Attributes: z.optional(z.record(z.string(), z.string())),
});
const redrivePolicySchema = z.object({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number(),
});

function queueSpec(name: string, attributes: Readonly<Record<string, string>>): QueueSpec {
  const timeout = attributes['VisibilityTimeout'];
  const policy = attributes['RedrivePolicy'];
  const redrive = policy === undefined ? undefined : redrivePolicySchema.parse(JSON.parse(policy));
  return {
    name,
    ...(timeout === undefined ? {} : { visibilityTimeoutSeconds: Number(timeout) }),
    ...(redrive === undefined
      ? {}
      : {
          maxReceiveCount: redrive.maxReceiveCount,
          deadLetterQueue: nameOf(redrive.deadLetterTargetArn),
        }),
  };
}

function attributesOf(
  queue: Queue,
  queueArn: (name: string) => string,
  nowMs: EpochMs,
): Record<string, string> {
  const { name, deadLetterQueue, maxReceiveCount } = queue.spec;
  const messages = [...queue.messages];
  const hidden = messages.filter((message) => message.visibleAtMs > nowMs);
  const inFlight = hidden.filter((message) => message.receiveCount > 0).length;
  return {
    QueueArn: queueArn(name),
    VisibilityTimeout: String(queue.visibilityTimeoutSeconds),
    ApproximateNumberOfMessages: String(messages.length - hidden.length),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(hidden.length - inFlight),
    ...(deadLetterQueue === undefined
      ? {}
      : {
          RedrivePolicy: JSON.stringify({
            deadLetterTargetArn: queueArn(deadLetterQueue),
            maxReceiveCount,
          }),
        }),
  };
}

const outgoingSchema = z.object({
  MessageBody: z
    .string()
    .min(1)
    .refine((body) => Buffer.byteLength(body) <= MAX_MESSAGE_BYTES, 'message too long'),
  MessageAttributes: z.optional(z.record(z.string(), messageAttributeSchema)),
  DelaySeconds: z.optional(z.number().int().min(0).max(900)),
});

function sendOperations(byUrl: (url: string) => Queue): Record<string, Operation> {
  const send = (
    queue: Queue,
    entries: readonly z.infer<typeof outgoingSchema>[],
  ): readonly Message[] =>
    queue.send(
      entries.map(({ MessageBody, MessageAttributes, DelaySeconds }) => ({
        body: MessageBody,
        attributes: MessageAttributes,
        delaySeconds: DelaySeconds,
      })),
    );
  return {
    SendMessage: operation(
      byQueueUrl.extend(outgoingSchema.shape),
      (input) => send(byUrl(input.QueueUrl), [input]).map(sentMessage)[0],
    ),
    SendMessageBatch: operation(
      byQueueUrl.extend({ Entries: batch(outgoingSchema.extend({ Id: z.string() })) }),
      ({ QueueUrl, Entries }, { isPartial }) => {
        const isRefused = (index: number): boolean => isPartial && index % 2 === 1;
        const accepted = Entries.filter((_, index) => !isRefused(index));
        const sent = send(byUrl(QueueUrl), accepted);
        return {
          Successful: sent.map((message, index) => ({
            Id: accepted[index]?.Id,
            ...sentMessage(message),
          })),
          Failed: Entries.filter((_, index) => isRefused(index)).map(({ Id }) => ({
            Id,
            SenderFault: false,
            Code: 'InternalError',
          })),
        };
      },
    ),
  };
}

function receiveOperations(byUrl: (url: string) => Queue): Record<string, Operation> {
  return {
    ReceiveMessage: operation(receiveSchema, async (input) => {
      const messages = await byUrl(input.QueueUrl).receive({
        max: input.MaxNumberOfMessages,
        waitSeconds: input.WaitTimeSeconds,
        visibilitySeconds: input.VisibilityTimeout,
      });
      return { Messages: messages.map(receivedMessage) };
    }),
    DeleteMessage: operation(byHandle, ({ QueueUrl, ReceiptHandle }) => {
      byUrl(QueueUrl).remove([messageId(ReceiptHandle)]);
    }),
    DeleteMessageBatch: operation(
      byQueueUrl.extend({
        Entries: batch(z.object({ Id: z.string(), ReceiptHandle: z.string() })),
      }),
      ({ QueueUrl, Entries }) => {
        byUrl(QueueUrl).remove(Entries.map(({ ReceiptHandle }) => messageId(ReceiptHandle)));
        return { Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] };
      },
    ),
    ChangeMessageVisibility: operation(
      byHandle.extend({ VisibilityTimeout: visibility }),
      ({ QueueUrl, ReceiptHandle, VisibilityTimeout }) => {
        const id = messageId(ReceiptHandle);
        if (byUrl(QueueUrl).changeVisibility(id, VisibilityTimeout)) return;
        throw new AwsError('InvalidParameterValue', `Message does not exist: ${ReceiptHandle}`);
      },
    ),
  };
}

const visibility = z.number().int().min(0).max(MAX_VISIBILITY_SECONDS);
const byHandle = byQueueUrl.extend({ ReceiptHandle: z.string() });
const receiveSchema = byQueueUrl.extend({
  MaxNumberOfMessages: z.number().int().min(1).max(MAX_BATCH).default(1),
  WaitTimeSeconds: z.number().int().min(0).max(MAX_WAIT_SECONDS).default(0),
  VisibilityTimeout: z.optional(visibility),
});

function batch<S extends z.ZodType>(entry: S): z.ZodArray<S> {
  return z.array(entry).min(1).max(MAX_BATCH);
}

function sentMessage(message: Message): { MessageId: string; MD5OfMessageBody: string } {
  return { MessageId: message.id, MD5OfMessageBody: md5(message.body) };
}

export function receiptHandle(message: Message): string {
  return `${message.id}.${message.receiveCount}`;
}

function messageId(handle: string): string {
  return handle.split('.', 1)[0] ?? '';
}

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** System attributes as SQS names them, all text. */
export function systemAttributes(message: Message): {
  ApproximateReceiveCount: string;
  SentTimestamp: string;
  SenderId: string;
  ApproximateFirstReceiveTimestamp: string;
} {
  return {
    ApproximateReceiveCount: String(message.receiveCount),
    SentTimestamp: String(message.sentAtMs),
    SenderId: 'local',
    ApproximateFirstReceiveTimestamp: String(message.sentAtMs),
  };
}

function receivedMessage(message: Message): unknown {
  return {
    MessageId: message.id,
    ReceiptHandle: receiptHandle(message),
    MD5OfBody: md5(message.body),
    Body: message.body,
    Attributes: systemAttributes(message),
    MessageAttributes: message.attributes,
  };
}
