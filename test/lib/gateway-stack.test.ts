import { Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ENV } from '../../core/names.ts';
import { MANAGED_INSTANCES, resources, statements, synthesize } from './synthesized.ts';

const { gateway, data } = synthesize();

describe('gateway stack', () => {
  it('runs every function on ARM64 and the current Node, behind a live alias', () => {
    gateway.resourceCountIs('AWS::Lambda::Function', 10);
    gateway.allResourcesProperties('AWS::Lambda::Function', {
      Architectures: ['arm64'],
      Runtime: 'nodejs24.x',
      LoggingConfig: Match.objectLike({ LogFormat: 'JSON' }),
    });
    gateway.resourceCountIs('AWS::Lambda::Alias', 10);
    gateway.allResourcesProperties('AWS::Lambda::Alias', { Name: 'live' });
  });

  it.each([
    [
      'proxy',
      900,
      [
        'accountsTable',
        'catalogTable',
        'rollupsTable',
        'usageStream',
        'spillQueueUrl',
        'providerSecrets',
        'cacheSecret',
        'leases',
        'observation',
      ],
    ],
    [
      'admin',
      29,
      [
        'accountsTable',
        'catalogTable',
        'rollupsTable',
        'adminKeySecret',
        'athenaWorkGroup',
        'questionsWorkGroup',
        'requestPlace',
        'lakeBucket',
        'auditTable',
        'auditBucket',
      ],
    ],
    [
      'alert-router',
      30,
      ['catalogTable', 'rollupsTable', 'alertTopic', 'teamAlertTopic', 'slackWebhooksSecret'],
    ],
    ['audit-shipper', 300, ['auditTable', 'auditBucket']],
    ['usage-monitor', 60, ['accountsTable', 'catalogTable', 'rollupsTable', 'alertBus']],
    ['spill-drain', 30, ['usageStream']],
    ['statements', 900, ['catalogTable', 'athenaWorkGroup', 'lakeBucket', 'statementsTopic']],
    ['ledger-writer', 900, ['catalogTable', 'athenaWorkGroup', 'ledgerLocation']],
    ['reaper', 300, ['accountsTable', 'catalogTable', 'usageStream', 'spillQueueUrl']],
  ] as const)(
    'gives %s its %i seconds and exactly the environment it needs',
    (service, timeout, needed) => {
      const { Timeout, Environment } = functionOf(gateway, service);
      expect(Timeout).toBe(timeout);
      const own = new Set<string>(Object.values(ENV));
      const given = Object.keys(Environment.Variables).filter((name) => own.has(name));
      expect(given.sort()).toEqual([...needed, 'stage' as const].map((name) => ENV[name]).sort());
      expect(Environment.Variables['STAGE']).toBe('dev');
    },
  );

  it('maps each secret of the policy file to its ARN', () => {
    const { Variables } = functionOf(gateway, 'proxy').Environment;
    expect(JSON.stringify(Variables[ENV.providerSecrets])).toContain('{\\"openai\\":\\"');
  });

  it('grants no action of a whole service and no wildcard resource', () => {
    const all = statements(gateway);
    expect(all.length).toBeGreaterThan(10);
    for (const { Action, Resource } of all) {
      for (const action of Action) expect(action).toMatch(/^[a-z-]+:[A-Z][A-Za-z]+$/);
      expect(JSON.stringify(Resource)).not.toContain('"*"');
    }
  });

  it('lets the proxy read and change accounts but never delete, scan or replace them', () => {
    const actions = statements(gateway, 'ProxyRole').flatMap(({ Action }) => Action);
    expect(actions).toEqual(
      expect.arrayContaining(['dynamodb:UpdateItem', 'kinesis:PutRecords', 'sqs:SendMessage']),
    );
    const tableActions = actions.filter((action) => action.startsWith('dynamodb:'));
    expect(new Set(tableActions)).toEqual(
      new Set(['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:Query']),
    );
    const queries = statements(gateway, 'ProxyRole').filter(({ Action }) =>
      Action.includes('dynamodb:Query'),
    );
    expect(queries.map(({ Resource }) => JSON.stringify(Resource))).toEqual([
      expect.stringContaining('Rollups'),
    ]);
  });

  it('lets only the proxy read provider keys and only the admin function read the admin key', () => {
    for (const [prefix, secrets] of [
      ['ProxyRole', ['ProviderSecretopenai', 'CacheSecret']],
      ['AdminRole', ['AdminKey']],
    ] as const) {
      const readers = statements(gateway, prefix).filter(({ Action }) =>
        Action.includes('secretsmanager:GetSecretValue'),
      );
      const read = readers
        .flatMap(({ Resource }) => [Resource].flat())
        .map((each) => JSON.stringify(each));
      expect(read).toHaveLength(secrets.length);
      for (const secret of secrets) expect(read.join()).toContain(secret);
    }
    const others = statements(gateway, 'UsagePipeline').flatMap(({ Action }) => Action);
    expect(others.filter((action) => action.startsWith('secretsmanager:'))).toEqual([]);
  });

  it('tells the admin function where calls leave their logs, and lets it ask for them without writing', () => {
    const { Variables } = functionOf(gateway, 'admin').Environment;
    expect(JSON.stringify(Variables[ENV.requestPlace])).toMatch(/logGroup.*ProxyLog/);
    expect(JSON.stringify(Variables[ENV.requestPlace])).not.toContain('traceBucket');
    const stage = synthesize({ 'waf: false': 'waf: false\n\ntraceStore: true' });
    const place = functionOf(stage.gateway, 'admin').Environment.Variables[ENV.requestPlace];
    expect(JSON.stringify(place)).toMatch(/traceBucket.*TraceStoreBucket/);
    const [lookup] = [...resources(data, 'AWS::IAM::ManagedPolicy')].filter(([id]) =>
      id.startsWith('LakeAccessLookup'),
    );
    const policy = JSON.stringify(lookup);
    expect(policy).toContain('workgroup/tollgate-dev"');
    expect(policy).toContain('table/tollgate/usage"');
    expect(policy).not.toMatch(/ledger|Delete|Update|Create/);
  });

  it('lets the monitor read rollups one by one and by range, add to them and keep incidents', () => {
    const [granted] = statements(gateway, 'UsagePipelineMonitor').filter(({ Resource }) =>
      JSON.stringify(Resource).includes('Rollups'),
    );
    expect(granted?.Action.toSorted()).toEqual([
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
    ]);
  });

  it('bounds the retries of the monitor and keeps what it gives up on', () => {
    gateway.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BisectBatchOnFunctionError: true,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumRetryAttempts: 10,
      MaximumRecordAgeInSeconds: 86_400,
      StartingPosition: 'TRIM_HORIZON',
      DestinationConfig: {
        OnFailure: {
          Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('MonitorDeadLetters'), 'Arn'] },
        },
      },
    });
  });

  it('drains the spill queue, and moves an event that cannot be drained to its dead letters', () => {
    gateway.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('UsagePipelineSpill'), 'Arn'] },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    gateway.hasResourceProperties('AWS::SQS::Queue', {
      VisibilityTimeout: 180,
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('SpillDeadLetters'), 'Arn'] },
        maxReceiveCount: 100,
      },
    });
  });

  it('encrypts every queue and keeps its messages for as long as SQS does', () => {
    gateway.allResourcesProperties('AWS::SQS::Queue', {
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 1_209_600,
    });
  });

  it('lets every log expire', () => {
    gateway.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 14 });
  });

  it('has no network and no custom resource unless the stage needs them', () => {
    gateway.resourceCountIs('AWS::EC2::VPC', 0);
    const types = z
      .object({ Resources: z.record(z.string(), z.object({ Type: z.string() })) })
      .parse(gateway.toJSON());
    const custom = Object.values(types.Resources).filter(({ Type }) => Type.startsWith('Custom::'));
    expect(custom).toEqual([]);
  });
});

describe('references between the stacks', () => {
  it('are weak, and each names an output that the data stack has', () => {
    const outputs = Object.keys(data.findOutputs('*'));
    const read = [...JSON.stringify(gateway.toJSON()).matchAll(/"Fn::GetStackOutput":(\{.*?\})/g)];
    expect(read.length).toBeGreaterThan(5);
    const referenceSchema = z.object({ StackName: z.string(), OutputName: z.string() });
    for (const [, reference] of read) {
      const { StackName, OutputName } = referenceSchema.parse(JSON.parse(reference ?? ''));
      expect(StackName).toBe('tollgate-dev-data');
      expect(outputs).toContain(OutputName);
    }
    expect(JSON.stringify(gateway.toJSON())).not.toContain('Fn::ImportValue');
  });
});

describe('gateway stack on managed instances', () => {
  const { gateway: managed } = synthesize(MANAGED_INSTANCES);

  it('runs only the proxy on them, from the same code', () => {
    managed.resourceCountIs('AWS::Lambda::CapacityProvider', 1);
    managed.resourcePropertiesCountIs(
      'AWS::Lambda::Function',
      { CapacityProviderConfig: Match.anyValue() },
      1,
    );
    const config = {
      LambdaManagedInstancesCapacityProviderConfig: Match.objectLike({
        PerExecutionEnvironmentMaxConcurrency: 64,
      }),
    };
    managed.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 900,
      CapacityProviderConfig: config,
    });
    expect(functionOf(managed, 'proxy').Code).toEqual(functionOf(gateway, 'proxy').Code);
  });

  it('lets calls of one environment share what they take, unless the stage says no, and never on Lambda', () => {
    const [line = ''] = Object.values(MANAGED_INSTANCES);
    const { gateway: without } = synthesize({
      'kind: lambda\n  memoryMb: 512': `${line}\n  leases: false`,
    });
    const leases = [gateway, managed, without].map(
      (template) => functionOf(template, 'proxy').Environment.Variables[ENV.leases],
    );
    expect(leases).toEqual(['off', 'on', 'off']);
  });

  it('bounds the heap of each worker, and leaves it to V8 where there is one', () => {
    const options = [gateway, managed].map(
      (template) => functionOf(template, 'proxy').Environment.Variables['NODE_OPTIONS'],
    );
    const young = '--max-semi-space-size=16';
    expect(options).toEqual([young, `${young} --max-old-space-size=1024`]);
  });

  it('keeps at least three environments of the live version', () => {
    managed.hasResourceProperties('AWS::Lambda::Version', {
      FunctionScalingConfig: { MinExecutionEnvironments: 3, MaxExecutionEnvironments: 100 },
    });
  });

  it('puts the instances into private subnets of their own network', () => {
    managed.resourceCountIs('AWS::EC2::VPC', 1);
    managed.hasResourceProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: false });
    managed.hasResourceProperties('AWS::Lambda::CapacityProvider', {
      VpcConfig: Match.objectLike({
        SubnetIds: [Match.anyValue(), Match.anyValue(), Match.anyValue()],
      }),
    });
  });
});

describe('gateway stack with concurrency settings', () => {
  it('reserves and warms the proxy as configured', () => {
    const { gateway: warm } = synthesize({
      'memoryMb: 512': 'memoryMb: 512\n  reservedConcurrency: 50\n  provisionedConcurrency: 5',
    });
    warm.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 900,
      ReservedConcurrentExecutions: 50,
    });
    warm.hasResourceProperties('AWS::Lambda::Alias', {
      ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 5 },
    });
  });
});

const functionSchema = z.object({
  Timeout: z.number(),
  Code: z.unknown(),
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
});

function functionOf(template: Template, service: string): z.infer<typeof functionSchema> {
  const found = [...resources(template, 'AWS::Lambda::Function').values()]
    .map(({ Properties }) => functionSchema.parse(Properties))
    .filter(({ Environment }) => Environment.Variables['POWERTOOLS_SERVICE_NAME'] === service);
  expect(found).toHaveLength(1);
  return functionSchema.parse(found[0]);
}
