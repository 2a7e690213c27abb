import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { AsyncInvocations } from './async-invocations.ts';
import { keepLine } from './files.ts';
import { checkedName, nameOf } from './names.ts';
import type { TopicSubscriber } from './resources.ts';
import { type Filter, filterOf, type MessageAttributes, readFilter } from './sns-filter.ts';
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
  readonly attributes?: MessageAttributes | undefined;
}

interface Notification extends PublishedMessage {
  readonly attributes: MessageAttributes;
  readonly id: string;
  readonly topicArn: string;
  readonly timestamp: string;
}

type Deliver = (notification: Notification) => void;

interface Subscription {
  readonly arn: string;
  readonly accepts: Filter;
  readonly deliver: Deliver;
}

export function createSns(options: {
  dir: string;
  clock: Clock;
  arn: (service: string, resource: string) => string;
  sqs: Sqs;
  invocations: AsyncInvocations;
  log: (line: string) => void;
}): Sns {
  const { dir, clock, arn, log } = options;
  const topics = new Map<string, Map<string, Subscription>>();

  function subscriptionsOf(topic: string): Map<string, Subscription> {
    const found = topics.get(topic);
    if (found !== undefined) return found;
    throw new AwsError('NotFoundException', 'Topic does not exist', 404);
  }
  function create(topic: string): void {
    if (!topics.has(topic)) topics.set(checkedName(topic), new Map());
  }
  function publish(topic: string, published: PublishedMessage): string {
    const subscriptions = subscriptionsOf(topic);
    const { attributes = new Map() } = published;
    const notification = {
      id: randomUUID(),
      topicArn: arn('sns', topic),
      timestamp: new Date(clock.nowMs()).toISOString(),
      ...published,
      attributes,
    };
    const kept = { ...notification, attributes: Object.fromEntries(attributes) };
    keepLine(join(dir, `${topic}.ndjson`), JSON.stringify(kept));
    log(`SNS ${topic}: ${published.message}`);
    for (const { accepts, deliver } of subscriptions.values())
      if (accepts(notification)) deliver(notification);
    return notification.id;
  }
  function subscribe(topic: string, subscriber: TopicSubscriber): string {
    const { kind, filter } = subscriber;
    const id = `${kind}:${kind === 'email' ? subscriber.address : subscriber.name}`;
    const subscriptions = subscriptionsOf(topic);
    const accepts = filter === undefined ? () => true : filterOf(filter);
    // A function's queue has one reader: declaring the subscription twice must not start a second.
    const known = subscriptions.get(id);
    const subscription = {
      arn: known?.arn ?? arn('sns', `${topic}:${randomUUID()}`),
      deliver: known?.deliver ?? deliveryTo(options, topic, subscriber),
      accepts,
    };
    subscriptions.set(id, subscription);
    return subscription.arn;
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
      case 'Subscribe': {
        const subscriptionArn = subscribe(topic, readSubscriber(form));
        return queryResponse(
          action,
          `<SubscriptionArn>${escapeXml(subscriptionArn)}</SubscriptionArn>`,
        );
      }
      default:
        throw notAvailable(action);
    }
  }

  return {
    create,
    subscribe: (topic, subscriber) => void subscribe(topic, subscriber),
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
        const Sns = { MessageAttributes: {}, ...snsEnvelope(notification) };
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
  attributes,
}: Notification): Record<string, unknown> {
  const named = [...attributes].map(([name, { type, value }]) => [
    name,
    { Type: type, Value: value },
  ]);
  return {
    Type: 'Notification',
    MessageId: id,
    TopicArn: topicArn,
    ...(subject === undefined ? {} : { Subject: subject }),
    Message: message,
    Timestamp: timestamp,
    ...(attributes.size === 0 ? {} : { MessageAttributes: Object.fromEntries(named) }),
  };
}

function readMessage(form: URLSearchParams): PublishedMessage {
  const message = form.get('Message') ?? '';
  if (message === '') throw new AwsError('InvalidParameter', 'Invalid parameter: Empty message');
  const attributes = entriesOf(form, 'MessageAttributes').map(
    (entry): [string, { type: string; value: string }] => [
      entry('Name'),
      {
        type: entry('Value.DataType'),
        value: entry('Value.StringValue') || entry('Value.BinaryValue'),
      },
    ],
  );
  return { message, subject: form.get('Subject') ?? undefined, attributes: new Map(attributes) };
}

/** A person's address needs no confirmation here. */
function readSubscriber(form: URLSearchParams): TopicSubscriber {
  const protocol = form.get('Protocol') ?? '';
  const endpoint = form.get('Endpoint') ?? '';
  const attributes = new Map(
    entriesOf(form, 'Attributes').map((entry) => [entry('key'), entry('value')]),
  );
  const { FilterPolicy, FilterPolicyScope, ...others } = Object.fromEntries(attributes);
  const [other] = Object.keys(others);
  if (other !== undefined) throw notAvailable(`attribute ${other}`);
  const filter =
    FilterPolicy === undefined
      ? {}
      : { filter: readFilter({ policy: FilterPolicy, scope: FilterPolicyScope }) };
  if (protocol === 'email') return { kind: 'email', address: endpoint, ...filter };
  if (protocol === 'sqs') return { kind: 'queue', name: nameOf(endpoint), ...filter };
  throw notAvailable(`protocol ${protocol}`);
}

/** Each entry by what comes after its number. */
function entriesOf(form: URLSearchParams, list: string): ((field: string) => string)[] {
  const numbers = new Set(
    [...form.keys()].flatMap(
      (name) => new RegExp(`^${list}\\.entry\\.(\\d+)\\.`).exec(name)?.[1] ?? [],
    ),
  );
  return [...numbers].map(
    (number) => (field: string) => form.get(`${list}.entry.${number}.${field}`) ?? '',
  );
}

function notAvailable(what: string): AwsError {
  return new AwsError('NotImplemented', `not available locally: SNS ${what}`, 501);
}

function queryResponse(action: string, result: string): WireResponse {
  const body = `<${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>`;
  return xmlResponse(
    200,
    `<${action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${body}</${action}Response>`,
  );
}
