import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { AsyncInvocations } from './async-invocations.ts';
import { keepLine } from './files.ts';
import { checkedName, nameOf } from './names.ts';
import type { TopicSubscriber } from './resources.ts';
import type { Sqs } from './sqs.ts';
import { AwsError, type WireRequest, type WireResponse } from './wire.ts';
import { escapeXml, xmlError, xmlResponse } from './xml.ts';

export interface Sns {
  create(topic: string): void;
  subscribe(topic: string, subscriber: TopicSubscriber): void;
  /** Gives the message's id. Every message is kept in a file and shown in one line. */
  publish(topic: string, message: PublishedMessage): string;
  /** Speaks the query protocol: a form in, XML out. */
  answer(request: WireRequest): WireResponse;
}

interface PublishedMessage {
  readonly message: string;
  readonly subject?: string | undefined;
}

interface Notification extends PublishedMessage {
  readonly id: string;
  readonly topicArn: string;
  readonly timestamp: string;
}

type Deliver = (notification: Notification) => void;

export function createSns(options: {
  dir: string;
  clock: Clock;
  arn: (service: string, resource: string) => string;
  sqs: Sqs;
  invocations: AsyncInvocations;
  log: (line: string) => void;
}): Sns {
  const { dir, clock, arn, log } = options;
  const topics = new Map<string, Map<string, Deliver>>();

  function subscribersOf(topic: string): Map<string, Deliver> {
    const found = topics.get(topic);
    if (found !== undefined) return found;
    throw new AwsError('NotFoundException', 'Topic does not exist', 404);
  }
  function create(topic: string): void {
    if (!topics.has(topic)) topics.set(checkedName(topic), new Map());
  }
  function publish(topic: string, published: PublishedMessage): string {
    const subscribers = subscribersOf(topic);
    const notification = {
      id: randomUUID(),
      topicArn: arn('sns', topic),
      timestamp: new Date(clock.nowMs()).toISOString(),
      ...published,
    };
    keepLine(join(dir, `${topic}.ndjson`), JSON.stringify(notification));
    log(`SNS ${topic}: ${published.message}`);
    for (const deliver of subscribers.values()) deliver(notification);
    return notification.id;
  }
  function perform(form: URLSearchParams): WireResponse {
    const topic = nameOf(form.get('TopicArn') ?? form.get('Name') ?? '');
    const action = form.get('Action') ?? '';
    switch (action) {
      case 'CreateTopic':
        create(topic);
        return queryResponse(action, `<TopicArn>${escapeXml(arn('sns', topic))}</TopicArn>`);
      case 'Publish':
        return queryResponse(action, `<MessageId>${publish(topic, readMessage(form))}</MessageId>`);
      default:
        throw new AwsError('NotImplemented', `not available locally: SNS ${action}`, 501);
    }
  }

  return {
    create,
    subscribe(topic, subscriber) {
      const id = `${subscriber.kind}:${subscriber.kind === 'email' ? subscriber.address : subscriber.name}`;
      const subscribers = subscribersOf(topic);
      // A function's queue has one reader: declaring the subscription twice must not start a second.
      if (!subscribers.has(id)) subscribers.set(id, deliveryTo(options, topic, subscriber));
    },
    publish,
    answer(request) {
      try {
        return perform(new URLSearchParams(request.body.toString('utf8')));
      } catch (error) {
        return xmlError(error, (xml) => `<ErrorResponse><Error>${xml}</Error></ErrorResponse>`);
      }
    },
  };
}

function deliveryTo(
  options: { sqs: Sqs; invocations: AsyncInvocations; log: (line: string) => void },
  topic: string,
  subscriber: TopicSubscriber,
): Deliver {
  switch (subscriber.kind) {
    case 'email':
      return ({ message }) => options.log(`E-mail to ${subscriber.address}: ${message}`);
    case 'queue': {
      const queue = options.sqs.queue(subscriber.name);
      return (notification) => {
        queue.send([{ body: JSON.stringify(snsEnvelope(notification)) }]);
      };
    }
    case 'function': {
      const invoke = options.invocations.target({
        ...subscriber,
        name: `${topic}-${subscriber.name}`,
      });
      return (notification) => {
        const Sns = { ...snsEnvelope(notification), MessageAttributes: {} };
        invoke({ Records: [{ EventSource: 'aws:sns', EventVersion: '1.0', Sns }] });
      };
    }
  }
}

function snsEnvelope({
  id,
  topicArn,
  timestamp,
  message,
  subject,
}: Notification): Record<string, unknown> {
  return {
    Type: 'Notification',
    MessageId: id,
    TopicArn: topicArn,
    ...(subject === undefined ? {} : { Subject: subject }),
    Message: message,
    Timestamp: timestamp,
  };
}

function readMessage(form: URLSearchParams): PublishedMessage {
  const message = form.get('Message') ?? '';
  if (message === '') throw new AwsError('InvalidParameter', 'Invalid parameter: Empty message');
  return { message, subject: form.get('Subject') ?? undefined };
}

function queryResponse(action: string, result: string): WireResponse {
  const body = `<${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>`;
  return xmlResponse(
    200,
    `<${action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${body}</${action}Response>`,
  );
}
