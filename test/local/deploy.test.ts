import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthenaClient } from '@aws-sdk/client-athena';
import {
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/clock.ts';
import { LAKE } from '../../core/names.ts';
import { createAthena } from '../../lambdas/adapters/athena.ts';
import { type LocalAws, startLocalAws } from '../../local/aws/local-aws.ts';
import { type Deployment, deploy, isIgnored } from '../../local/deploy.ts';
import { type Dynamo, startDynamo } from '../../local/dynamo.ts';
import { type Assembly, readAssembly } from '../../local/templates.ts';

const ASSET_KEY = 'abc.zip';
const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

/** Appends its environment's name and its event to a file that the test reads. */
const RECORDER = `import { appendFileSync } from 'node:fs';
  export const handler = async (event) => {
    appendFileSync(process.env.RECORD_FILE, JSON.stringify(event) + '\\n');
    return { batchItemFailures: [] };
  };`;

const arnOf = (logicalId: string) => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });
const alias = { Ref: 'RecorderAlias' };

let dir: string;
let dynamo: Dynamo;
let aws: LocalAws;
let deployment: Deployment;
let assembly: Assembly;

function resources(recordFile: string): Record<string, { Type: string; Properties?: object }> {
  const integration = {
    Type: 'AWS_PROXY',
    Uri: {
      'Fn::Join': [
        '',
        [
          'arn:aws:apigateway:',
          { Ref: 'AWS::Region' },
          ':lambda:path/2021-11-15/functions/',
          alias,
          '/response-streaming-invocations',
        ],
      ],
    },
    ResponseTransferMode: 'STREAM',
    TimeoutInMillis: 900_000,
  };
  return {
    Table: {
      Type: 'AWS::DynamoDB::GlobalTable',
      Properties: {
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'team', AttributeType: 'S' },
        ],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        GlobalSecondaryIndexes: [
          {
            IndexName: 'byTeam',
            KeySchema: [{ AttributeName: 'team', KeyType: 'HASH' }],
            Projection: { ProjectionType: 'KEYS_ONLY' },
          },
        ],
        TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
        BillingMode: 'PAY_PER_REQUEST',
        Replicas: [{ Region: { Ref: 'AWS::Region' }, DeletionProtectionEnabled: true }],
      },
    },
    AdminKey: {
      Type: 'AWS::SecretsManager::Secret',
      Properties: { GenerateSecretString: { PasswordLength: 48, ExcludePunctuation: true } },
    },
    Pair: {
      Type: 'AWS::SecretsManager::Secret',
      Properties: {
        GenerateSecretString: {
          SecretStringTemplate: '{"user":"a"}',
          GenerateStringKey: 'password',
        },
      },
    },
    Stream: { Type: 'AWS::Kinesis::Stream' },
    DeadLetters: { Type: 'AWS::SQS::Queue' },
    Queue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        VisibilityTimeout: 60,
        RedrivePolicy: { deadLetterTargetArn: arnOf('DeadLetters'), maxReceiveCount: 3 },
      },
    },
    Topic: { Type: 'AWS::SNS::Topic' },
    Bus: { Type: 'AWS::Events::EventBus', Properties: { Name: 'alerts' } },
    Role: { Type: 'AWS::IAM::Role' },
    Results: { Type: 'AWS::S3::Bucket' },
    WorkGroup: {
      Type: 'AWS::Athena::WorkGroup',
      Properties: {
        Name: 'people',
        WorkGroupConfiguration: {
          ResultConfiguration: {
            OutputLocation: { 'Fn::Join': ['', ['s3://', { Ref: 'Results' }, '/']] },
          },
        },
      },
    },
    View: {
      Type: 'AWS::Glue::Table',
      Properties: {
        DatabaseName: LAKE.database,
        TableInput: {
          Name: 'answers',
          TableType: 'VIRTUAL_VIEW',
          ViewOriginalText: `/* Presto View: ${Buffer.from(JSON.stringify({ originalSql: 'SELECT 42 AS answer' })).toString('base64')} */`,
        },
      },
    },
    Recorder: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        Code: { S3Bucket: 'assets', S3Key: ASSET_KEY },
        Handler: 'index.handler',
        Runtime: 'nodejs24.x',
        Role: arnOf('Role'),
        Timeout: 7,
        Environment: {
          Variables: {
            RECORD_FILE: recordFile,
            QUEUE_URL: { Ref: 'Queue' },
            TABLE: { Ref: 'Table' },
            POWERTOOLS_SERVICE_NAME: 'recorder',
          },
        },
      },
    },
    RecorderAlias: {
      Type: 'AWS::Lambda::Alias',
      Properties: { FunctionName: { Ref: 'Recorder' }, Name: 'live', FunctionVersion: '1' },
    },
    FromStream: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: {
        EventSourceArn: arnOf('Stream'),
        FunctionName: alias,
        BatchSize: 100,
        StartingPosition: 'TRIM_HORIZON',
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        DestinationConfig: { OnFailure: { Destination: arnOf('DeadLetters') } },
      },
    },
    FromQueue: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: { EventSourceArn: arnOf('Queue'), FunctionName: alias },
    },
    FromTopic: {
      Type: 'AWS::SNS::Subscription',
      Properties: {
        TopicArn: { Ref: 'Topic' },
        Protocol: 'lambda',
        Endpoint: alias,
        FilterPolicy: { to: ['search'] },
        FilterPolicyScope: 'MessageBody',
      },
    },
    Rule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        EventBusName: { Ref: 'Bus' },
        EventPattern: { source: ['tollgate'] },
        Targets: [
          {
            Id: '1',
            Arn: alias,
            InputTransformer: {
              InputPathsMap: { team: '$.detail.team' },
              InputTemplate: '{"fromRule":"<team>"}',
            },
          },
        ],
      },
    },
    Api: { Type: 'AWS::ApiGateway::RestApi', Properties: { BinaryMediaTypes: ['image/png'] } },
    V1: {
      Type: 'AWS::ApiGateway::Resource',
      Properties: { ParentId: { 'Fn::GetAtt': ['Api', 'RootResourceId'] }, PathPart: 'v1' },
    },
    All: {
      Type: 'AWS::ApiGateway::Resource',
      Properties: { ParentId: { Ref: 'V1' }, PathPart: '{proxy+}' },
    },
    Any: {
      Type: 'AWS::ApiGateway::Method',
      Properties: {
        HttpMethod: 'ANY',
        ResourceId: { Ref: 'All' },
        AuthorizationType: 'NONE',
        Integration: integration,
      },
    },
    Throttled: {
      Type: 'AWS::ApiGateway::GatewayResponse',
      Properties: {
        ResponseType: 'THROTTLED',
        StatusCode: '429',
        ResponseTemplates: { 'application/json': '{}' },
      },
    },
    Stage: {
      Type: 'AWS::ApiGateway::Stage',
      Properties: {
        StageName: 'api',
        MethodSettings: [
          {
            HttpMethod: '*',
            ResourcePath: '/*',
            ThrottlingRateLimit: 200,
            ThrottlingBurstLimit: 400,
          },
        ],
      },
    },
  };
}

function writeAssembly(folder: string, all: object): void {
  mkdirSync(join(folder, 'asset'), { recursive: true });
  writeFileSync(join(folder, 'asset/index.mjs'), RECORDER);
  writeFileSync(join(folder, 'main.json'), JSON.stringify({ Resources: all }));
  const destinations = { current: { objectKey: ASSET_KEY } };
  const files = { 1: { source: { path: 'asset' }, destinations } };
  writeFileSync(join(folder, 'main.assets.json'), JSON.stringify({ files }));
  const artifacts = {
    'main.assets': { type: 'cdk:asset-manifest' },
    main: { type: 'aws:cloudformation:stack', properties: { templateFile: 'main.json' } },
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ artifacts }));
}

function read(folder: string): Assembly {
  return readAssembly(folder, { queueUrl: (name) => aws.queueUrl(name), isIgnored });
}

function deployOptions(toDeploy: Assembly) {
  const logsDir = join(dir, 'logs');
  return { assembly: toDeploy, aws, dynamoUrl: dynamo.url, logsDir, log: () => {} };
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tollgate-deploy-'));
  dynamo = await startDynamo({ dataDir: dir, env: {}, log: () => {} });
  aws = await startLocalAws({ dataDir: dir });
  writeAssembly(join(dir, 'assembly'), resources(join(dir, 'record.ndjson')));
  assembly = read(join(dir, 'assembly'));
  deployment = await deploy(deployOptions(assembly));
});
afterAll(async () => {
  await deployment.close();
  await aws.close();
  await dynamo.close();
  rmSync(dir, { recursive: true, force: true });
});

function attributeOf(logicalId: string): { name: string; ref: string } {
  const found = assembly.resources.find((resource) => resource.logicalId === logicalId);
  return { name: found?.name ?? '', ref: found?.ref ?? '' };
}

function clientOptions() {
  return { endpoint: aws.url, region: 'us-east-1', credentials: CREDENTIALS };
}

function recorded(): string {
  const file = join(dir, 'record.ndjson');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

describe('deploy', () => {
  it('creates tables with their indexes and time to live', async () => {
    const client = new DynamoDBClient({ ...clientOptions(), endpoint: dynamo.url });
    const { name } = attributeOf('Table');
    const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
    const { TimeToLiveDescription } = await client.send(
      new DescribeTimeToLiveCommand({ TableName: name }),
    );
    expect(Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName)).toEqual(['byTeam']);
    expect(TimeToLiveDescription).toMatchObject({ AttributeName: 'expiresAt' });
  });

  it('runs a function at once when it is invoked by one of its names', async () => {
    const invoke = (name: string) =>
      fetch(`${aws.url}/2015-03-31/functions/${name}/invocations`, {
        method: 'POST',
        body: '{"invoked":"now"}',
      });
    const answer = await invoke('recorder');
    expect([answer.status, await answer.json()]).toEqual([200, { batchItemFailures: [] }]);
    expect(recorded()).toContain('{"invoked":"now"}');
    expect((await invoke('nobody')).status).toBe(404);
  });

  it('generates secrets, and keeps them when it runs again', async () => {
    const client = new SecretsManagerClient(clientOptions());
    const value = async (logicalId: string) =>
      (await client.send(new GetSecretValueCommand({ SecretId: attributeOf(logicalId).ref })))
        .SecretString;
    const [admin, pair] = [await value('AdminKey'), await value('Pair')];
    expect(admin).toMatch(/^[A-Za-z0-9]{48}$/);
    expect(JSON.parse(pair ?? '')).toEqual({
      user: 'a',
      password: expect.stringMatching(/^.{32}$/),
    });
    // Event sources are connected once a process, so the second run is without them.
    const sources = [
      'AWS::Lambda::EventSourceMapping',
      'AWS::SNS::Subscription',
      'AWS::Events::Rule',
    ];
    const rest = assembly.resources.filter(({ type }) => !sources.includes(type));
    const again = await deploy(deployOptions({ ...assembly, resources: rest }));
    await again.close();
    expect([await value('AdminKey'), await value('Pair')]).toEqual([admin, pair]);
  });

  it('gives functions their environment resolved and the addresses of the local services', () => {
    const pool = deployment.functions.get(attributeOf('Recorder').name);
    expect(pool?.definition).toMatchObject({
      handler: 'index.handler',
      timeoutMs: 7_000,
      memoryMb: 128,
      logName: 'recorder',
      env: {
        QUEUE_URL: aws.queueUrl(attributeOf('Queue').name),
        TABLE: attributeOf('Table').name,
        AWS_REGION: 'us-east-1',
        AWS_ENDPOINT_URL: aws.url,
        AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
      },
    });
  });

  it('makes views of their questions', async () => {
    const client = new AthenaClient(clientOptions());
    const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    const athena = createAthena({ client, workGroup: 'people', clock: systemClock, pause });
    const deadlineMs = Date.now() + 10_000;
    expect(await athena.run('SELECT answer FROM answers', deadlineMs)).toEqual([['42']]);
    await expect(athena.run('SELECT nothing', deadlineMs)).rejects.toThrow(/FAILED.*nothing/s);
    client.destroy();
  });

  it('reads the API', () => {
    expect(deployment.api).toMatchObject({
      stage: 'api',
      binaryMediaTypes: ['image/png'],
      throttle: { ratePerSecond: 200, burst: 400 },
      gatewayResponses: { THROTTLED: { statusCode: 429, templates: { 'application/json': '{}' } } },
      routes: [
        {
          path: '/v1/{proxy+}',
          method: 'ANY',
          functionName: attributeOf('Recorder').name,
          streaming: true,
          timeoutMs: 900_000,
        },
      ],
    });
  });

  it('connects streams, queues, topics and rules to their function', async () => {
    const data = Buffer.from('from the stream');
    const kinesis = new KinesisClient(clientOptions());
    const { name: StreamName } = attributeOf('Stream');
    await kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: 'a', Data: data }));
    kinesis.destroy();
    const message = { QueueUrl: attributeOf('Queue').ref, MessageBody: 'from the queue' };
    await new SQSClient(clientOptions()).send(new SendMessageCommand(message));
    const sns = new SNSClient(clientOptions());
    for (const to of ['support', 'search']) {
      const Message = JSON.stringify({ to, text: `from the topic to ${to}` });
      await sns.send(new PublishCommand({ TopicArn: attributeOf('Topic').ref, Message }));
    }
    const Detail = JSON.stringify({ team: 'search' });
    const event = { EventBusName: 'alerts', Source: 'tollgate', DetailType: 'x', Detail };
    await new EventBridgeClient(clientOptions()).send(new PutEventsCommand({ Entries: [event] }));
    for (const expected of [
      data.toString('base64'),
      'from the queue',
      'from the topic to search',
      '{"fromRule":"search"}',
    ]) {
      await expect.poll(recorded, { timeout: 10_000 }).toContain(expected);
    }
    expect(recorded()).not.toContain('from the topic to support');
  });
});

describe('what it does not know', () => {
  it.each([
    ['a type', { Strange: { Type: 'AWS::Strange::Thing' } }, 'AWS::Strange::Thing (Strange)'],
    [
      'an event source',
      {
        ...resources(''),
        FromQueue: {
          Type: 'AWS::Lambda::EventSourceMapping',
          Properties: {
            EventSourceArn: 'arn:aws:mq:us-east-1:000000000000:broker:x',
            FunctionName: alias,
          },
        },
      },
      'FromQueue',
    ],
  ])('%s is an error that names it', async (_, all, message) => {
    const folder = mkdtempSync(join(dir, 'unknown-'));
    writeAssembly(folder, all);
    await expect(deploy(deployOptions(read(folder)))).rejects.toThrow(message);
  });
});
