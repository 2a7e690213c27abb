import { CreateTopicCommand, PublishCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  CONTRACT_ENDPOINT,
  clientsOf,
  type Endpoint,
  openEndpoint,
  uniqueName,
} from './endpoint.ts';

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;

beforeAll(async () => {
  endpoint = await openEndpoint();
  clients = clientsOf(endpoint.url);
});
afterAll(async () => {
  clients.destroy();
  await endpoint.close();
});

async function newTopic() {
  const { TopicArn = '' } = await clients.sns.send(
    new CreateTopicCommand({ Name: uniqueName('topic') }),
  );
  return TopicArn;
}

async function newQueue() {
  const { QueueUrl } = await clients.sqs.send(
    new CreateQueueCommand({ QueueName: uniqueName('queue') }),
  );
  const { Attributes } = await clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  return { QueueUrl, arn: Attributes?.['QueueArn'] ?? '' };
}

type Policy = Readonly<Record<string, unknown>>;

function subscribe(topicArn: string, queueArn: string, policy: Policy, scope?: string) {
  return clients.sns.send(
    new SubscribeCommand({
      TopicArn: topicArn,
      Protocol: 'sqs',
      Endpoint: queueArn,
      Attributes: {
        FilterPolicy: JSON.stringify(policy),
        ...(scope === undefined ? {} : { FilterPolicyScope: scope }),
      },
    }),
  );
}

interface Published {
  readonly body?: string;
  /** Values by name; a number is of the type Number, a list of the type String.Array. */
  readonly attributes?: Readonly<Record<string, string | number | readonly string[]>>;
}

function attributeOf(value: string | number | readonly string[]) {
  if (typeof value === 'string') return { DataType: 'String', StringValue: value };
  return typeof value === 'number'
    ? { DataType: 'Number', StringValue: String(value) }
    : { DataType: 'String.Array', StringValue: JSON.stringify(value) };
}

/** What of it comes to a subscriber with this policy. The last message, which every policy here accepts, ends it. */
async function accepted(
  { policy, scope, last }: { policy: Policy; scope?: string; last: Published },
  published: readonly Published[],
): Promise<string[]> {
  const TopicArn = await newTopic();
  const { QueueUrl, arn } = await newQueue();
  const { SubscriptionArn } = await subscribe(TopicArn, arn, policy, scope);
  expect(SubscriptionArn?.startsWith(`${TopicArn}:`)).toBe(true);
  for (const { body = 'no body', attributes = {} } of [...published, last])
    await clients.sns.send(
      new PublishCommand({
        TopicArn,
        Message: body,
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)]),
        ),
      }),
    );
  const { Messages = [] } = await clients.sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
  );
  return Messages.map(({ Body = '' }) => envelopeSchema.parse(JSON.parse(Body)).Message);
}

const envelopeSchema = z.object({ Message: z.string() });

describe('a filter policy of an SNS subscription', () => {
  it('takes the messages of one channel, as docs/alerts.md subscribes an address, and no other', async () => {
    const to = (channel: string) => ({ body: channel, attributes: { channel } });
    const came = await accepted({ policy: { channel: ['finance'] }, last: to('finance') }, [
      to('platform'),
      { body: 'without a channel' },
    ]);
    expect(came).toEqual(['finance']);
  });

  it('wants every name and any of its values, by text, number and list', async () => {
    const policy = {
      audience: [{ prefix: 'acme/' }, 'platform'],
      percent: [{ numeric: ['>=', 80] }],
      tags: ['urgent'],
      test: [{ exists: false }],
    };
    const fits = { audience: 'acme/search', percent: 80, tags: ['money', 'urgent'] };
    const came = await accepted({ policy, last: { body: 'fits', attributes: fits } }, [
      { body: 'other audience', attributes: { ...fits, audience: 'other/search' } },
      { body: 'below', attributes: { ...fits, percent: 79.5 } },
      { body: 'text is no number', attributes: { ...fits, percent: '80' } },
      { body: 'other tags', attributes: { ...fits, tags: ['money'] } },
      { body: 'a test', attributes: { ...fits, test: 'yes' } },
    ]);
    expect(came).toEqual(['fits']);
  });

  it('looks into the body where its scope says so', async () => {
    const policy = { detail: { severity: ['critical'] } };
    const of = (severity: string) => ({ body: JSON.stringify({ detail: { severity } }) });
    const came = await accepted({ policy, scope: 'MessageBody', last: of('critical') }, [
      of('warning'),
      { body: 'not JSON', attributes: { severity: 'critical' } },
    ]);
    expect(came).toEqual([of('critical').body]);
  });

  it.each<[string, Policy]>([
    ['a value without a list', { channel: 'finance' }],
    ['nesting of attributes', { detail: { severity: ['critical'] } }],
    ['an operator that does not exist', { channel: ['other', { sounds_like: 'finance' }] }],
    ['a comparison with text', { absent: ['x'], percent: [{ numeric: ['>', 'x'] }] }],
    ['six names', Object.fromEntries([...'abcdef'].map((name) => [name, ['x']]))],
  ])('is refused with %s', async (_, policy) => {
    const [TopicArn, { arn }] = [await newTopic(), await newQueue()];
    await expect(subscribe(TopicArn, arn, policy)).rejects.toMatchObject({
      name: expect.stringMatching(/^InvalidParameter/),
    });
  });

  it.runIf(CONTRACT_ENDPOINT === undefined)(
    'is said to be missing here where a subscription asks for what is not played',
    async () => {
      const TopicArn = await newTopic();
      const Endpoint = 'https://example.com/hook';
      await expect(
        clients.sns.send(new SubscribeCommand({ TopicArn, Protocol: 'https', Endpoint })),
      ).rejects.toMatchObject({ name: 'NotImplemented', $metadata: { httpStatusCode: 501 } });
    },
  );
});
