import {
  CreateEventBusCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, PublishCommand } from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CONTRACT_ENDPOINT,
  clientsOf,
  type Endpoint,
  openEndpoint,
  uniqueName,
} from './endpoint.ts';

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;
const logged: string[] = [];

beforeAll(async () => {
  endpoint = await openEndpoint({ log: (line) => logged.push(line) });
  clients = clientsOf(endpoint.url);
});
afterAll(async () => {
  clients.destroy();
  await endpoint.close();
});

async function newQueue(Attributes: Record<string, string> = {}) {
  const QueueName = uniqueName('queue');
  const { QueueUrl } = await clients.sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  const described = await clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  return { QueueName, QueueUrl, arn: described.Attributes?.['QueueArn'] ?? '' };
}

async function receive(QueueUrl: string | undefined, waitSeconds = 0): Promise<Message[]> {
  const { Messages } = await clients.sqs.send(
    new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    }),
  );
  return Messages ?? [];
}

describe('SQS', () => {
  it('delivers a message once while it is in flight, and never after it is deleted', async () => {
    const { QueueName, QueueUrl } = await newQueue();
    const found = await clients.sqs.send(new GetQueueUrlCommand({ QueueName }));
    expect(found.QueueUrl).toBe(QueueUrl);
    const MessageAttributes = { kind: { DataType: 'String', StringValue: 'test' } };
    await clients.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody: 'hällo', MessageAttributes }),
    );
    const [message] = await receive(QueueUrl);
    expect(message?.Body).toBe('hällo');
    expect(message?.MessageAttributes).toMatchObject(MessageAttributes);
    expect(await receive(QueueUrl)).toEqual([]);
    const { ReceiptHandle } = message ?? {};
    await clients.sqs.send(
      new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
    );
    const [again] = await receive(QueueUrl);
    expect(again?.Attributes?.['ApproximateReceiveCount']).toBe('2');
    await clients.sqs.send(
      new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again?.ReceiptHandle }),
    );
    expect(await receive(QueueUrl)).toEqual([]);
  });

  it('wakes a waiting receiver when a message comes', async () => {
    const { QueueUrl } = await newQueue();
    const started = Date.now();
    const waiting = receive(QueueUrl, 10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'now' }));
    expect((await waiting).map(({ Body }) => Body)).toEqual(['now']);
    expect(Date.now() - started).toBeLessThan(5_000);
  });

  it('moves a message to the dead-letter queue after it was received too often', async () => {
    const dead = await newQueue();
    const { QueueUrl } = await newQueue({
      VisibilityTimeout: '0',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 2 }),
    });
    await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'poison' }));
    expect(await receive(QueueUrl)).toHaveLength(1);
    expect(await receive(QueueUrl)).toHaveLength(1);
    expect(await receive(QueueUrl)).toEqual([]);
    expect((await receive(dead.QueueUrl, 2)).map(({ Body }) => Body)).toEqual(['poison']);
  });

  it('sends and deletes in batches', async () => {
    const { QueueUrl } = await newQueue();
    const bodies = Array.from({ length: 10 }, (_, index) => `m${index}`);
    const sent = await clients.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: bodies.map((MessageBody) => ({ Id: MessageBody, MessageBody })),
      }),
    );
    expect(sent.Successful).toHaveLength(10);
    const messages = await receive(QueueUrl, 1);
    const Entries = messages.map(({ MessageId: Id, ReceiptHandle }) => ({ Id, ReceiptHandle }));
    const deleted = await clients.sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    expect(deleted.Successful).toHaveLength(messages.length);
  });

  it('answers by type for a queue that is not there', async () => {
    const QueueUrl = `${endpoint.url}/000000000000/nowhere`;
    await expect(
      clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' })),
    ).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
  });
});

describe('Secrets Manager', () => {
  it('gives the current value by name and by ARN', async () => {
    const Name = uniqueName('secret');
    const { ARN } = await clients.secrets.send(
      new CreateSecretCommand({ Name, SecretString: 'one' }),
    );
    await clients.secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'two' }));
    for (const SecretId of [Name, ARN]) {
      const value = await clients.secrets.send(new GetSecretValueCommand({ SecretId }));
      expect(value).toMatchObject({
        ARN,
        Name,
        SecretString: 'two',
        VersionStages: ['AWSCURRENT'],
      });
    }
    const described = await clients.secrets.send(new DescribeSecretCommand({ SecretId: ARN }));
    expect(described.Name).toBe(Name);
  });

  it('answers by type for a secret that is not there or is there already', async () => {
    await expect(
      clients.secrets.send(new GetSecretValueCommand({ SecretId: 'nowhere' })),
    ).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    const create = new CreateSecretCommand({ Name: uniqueName('twice'), SecretString: 'x' });
    await clients.secrets.send(create);
    await expect(
      clients.secrets.send(new CreateSecretCommand({ ...create.input })),
    ).rejects.toMatchObject({ name: 'ResourceExistsException' });
  });
});

describe('EventBridge', () => {
  async function newRule(
    pattern: unknown,
    transformer?: { paths: Record<string, string>; template: string },
  ) {
    const queue = await newQueue();
    const EventBusName = uniqueName('bus');
    await clients.events.send(new CreateEventBusCommand({ Name: EventBusName }));
    await clients.events.send(
      new PutRuleCommand({ Name: 'rule', EventBusName, EventPattern: JSON.stringify(pattern) }),
    );
    const InputTransformer =
      transformer === undefined
        ? undefined
        : { InputPathsMap: transformer.paths, InputTemplate: transformer.template };
    await clients.events.send(
      new PutTargetsCommand({
        Rule: 'rule',
        EventBusName,
        Targets: [{ Id: 'queue', Arn: queue.arn, InputTransformer }],
      }),
    );
    const put = (detail: unknown) =>
      clients.events.send(
        new PutEventsCommand({
          Entries: [
            {
              EventBusName,
              Source: 'tollgate',
              DetailType: 'Budget threshold crossed',
              Detail: JSON.stringify(detail),
            },
          ],
        }),
      );
    return { put, received: () => receive(queue.QueueUrl, 1) };
  }

  it('delivers an event that matches, whole, and no other', async () => {
    const { put, received } = await newRule({
      source: ['tollgate'],
      'detail-type': [{ prefix: 'Budget' }],
      detail: { percent: [{ numeric: ['>=', 80] }], stage: [{ 'anything-but': ['test'] }] },
    });
    await put({ percent: 79, stage: 'prod' });
    await put({ percent: 80, stage: 'test' });
    await put({ percent: 80, stage: 'prod', team: 'search' });
    const bodies = (await received()).map(({ Body }) => JSON.parse(Body ?? ''));
    expect(bodies).toEqual([
      expect.objectContaining({
        source: 'tollgate',
        'detail-type': 'Budget threshold crossed',
        detail: { percent: 80, stage: 'prod', team: 'search' },
      }),
    ]);
  });

  it('fills an input template', async () => {
    const { put, received } = await newRule(
      { source: ['tollgate'] },
      {
        paths: { team: '$.detail.team', percent: '$.detail.percent' },
        template: '{"text": "Team <team> is at <percent> %", "percent": <percent>}',
      },
    );
    await put({ team: 'search "x"', percent: 80 });
    const [message] = await received();
    expect(JSON.parse(message?.Body ?? '')).toEqual({
      text: 'Team search "x" is at 80 %',
      percent: 80,
    });
  });

  it('refuses an entry whose detail is not an object, and keeps the others', async () => {
    const entry = { Source: 's', DetailType: 't' };
    const { FailedEntryCount, Entries } = await clients.events.send(
      new PutEventsCommand({
        Entries: [
          { ...entry, Detail: '{' },
          { ...entry, Detail: '{}' },
        ],
      }),
    );
    expect(FailedEntryCount).toBe(1);
    expect(Entries?.[0]?.ErrorCode).toBe('MalformedDetail');
    expect(Entries?.[1]?.EventId).toBeDefined();
  });
});

describe('SNS', () => {
  it('accepts a message for a topic and answers by type for no topic', async () => {
    const Name = uniqueName('topic');
    const { TopicArn } = await clients.sns.send(new CreateTopicCommand({ Name }));
    const Message = 'Budget at 80 % & <rising>';
    const { MessageId } = await clients.sns.send(new PublishCommand({ TopicArn, Message }));
    expect(MessageId).toMatch(/^[0-9a-f-]{36}$/);
    await expect(
      clients.sns.send(new PublishCommand({ TopicArn: `${TopicArn}-not`, Message })),
    ).rejects.toMatchObject({ name: expect.stringMatching(/NotFound/) });
    if (CONTRACT_ENDPOINT === undefined) expect(logged).toContain(`SNS ${Name}: ${Message}`);
  });
});
