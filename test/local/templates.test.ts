import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Assembly, readAssembly, readPlace } from '../../local/templates.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tollgate-assembly-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

type Resources = Record<string, { Type: string; Condition?: string; Properties?: object }>;
interface Stack {
  readonly Resources: Resources;
  readonly Outputs?: object;
  readonly Conditions?: object;
  readonly Parameters?: object;
}

function assemblyOf(
  stacks: Record<string, Stack>,
  environment = 'aws://unknown-account/eu-west-1',
): Assembly {
  const artifacts: Record<string, object> = {};
  for (const [name, stack] of Object.entries(stacks)) {
    artifacts[name] = {
      type: 'aws:cloudformation:stack',
      environment,
      properties: { templateFile: `${name}.json` },
    };
    writeFileSync(join(dir, `${name}.json`), JSON.stringify(stack));
  }
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ artifacts }));
  return readAssembly(dir, {
    queueUrl: (name) => `http://queues/${name}`,
    isIgnored: (type) => type === 'AWS::IAM::Role',
  });
}

/** The properties of a topic that holds the values under test. */
function resolved(values: object, rest: Partial<Stack> & { more?: Resources } = {}): unknown {
  const { more, ...stack } = rest;
  const probe = { Type: 'AWS::SNS::Topic', Properties: values };
  const { resources } = assemblyOf({ main: { Resources: { Probe: probe, ...more }, ...stack } });
  return resources.find(({ logicalId }) => logicalId === 'Probe')?.properties;
}

const queue = { Type: 'AWS::SQS::Queue' };

describe('references', () => {
  it.each([
    [
      'AWS::DynamoDB::GlobalTable',
      'main-Thing',
      'arn:aws:dynamodb:eu-west-1:000000000000:table/main-Thing',
    ],
    [
      'AWS::Kinesis::Stream',
      'main-Thing',
      'arn:aws:kinesis:eu-west-1:000000000000:stream/main-Thing',
    ],
    [
      'AWS::SQS::Queue',
      'http://queues/main-Thing',
      'arn:aws:sqs:eu-west-1:000000000000:main-Thing',
    ],
    ['AWS::S3::Bucket', 'main-thing', 'arn:aws:s3:::main-thing'],
    [
      'AWS::Lambda::Function',
      'main-Thing',
      'arn:aws:lambda:eu-west-1:000000000000:function:main-Thing',
    ],
    [
      'AWS::Events::EventBus',
      'main-Thing',
      'arn:aws:events:eu-west-1:000000000000:event-bus/main-Thing',
    ],
    [
      'AWS::KinesisFirehose::DeliveryStream',
      'main-Thing',
      'arn:aws:firehose:eu-west-1:000000000000:deliverystream/main-Thing',
    ],
    ['AWS::IAM::Role', 'main-Thing', 'arn:aws:iam:eu-west-1:000000000000:main-Thing'],
  ])('to %s give its local name and ARN', (type, ref, arn) => {
    const values = { ref: { Ref: 'Thing' }, arn: { 'Fn::GetAtt': ['Thing', 'Arn'] } };
    expect(resolved(values, { more: { Thing: { Type: type } } })).toEqual({ ref, arn });
  });

  it('use the name that the template gives, and one that fits every service otherwise', () => {
    const long = `Long${'x'.repeat(80)}`;
    const named = { Type: 'AWS::Kinesis::Stream', Properties: { Name: 'mine' } };
    const values = { named: { Ref: 'Named' }, long: { Ref: long } };
    const first = resolved(values, {
      more: { Named: named, [long]: { Type: 'AWS::Kinesis::Stream' } },
    });
    expect(first).toEqual({
      named: 'mine',
      long: expect.stringMatching(/^main-Longx+-[0-9a-f]{8}$/),
    });
    expect(first).toHaveProperty('long.length', 63);
    expect(
      resolved(values, { more: { Named: named, [long]: { Type: 'AWS::Kinesis::Stream' } } }),
    ).toEqual(first);
  });

  it('to a version and an alias are the function with a qualifier', () => {
    const more = {
      Fn: { Type: 'AWS::Lambda::Function' },
      V: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Fn' } } },
      A: {
        Type: 'AWS::Lambda::Alias',
        Properties: {
          FunctionName: { Ref: 'Fn' },
          Name: 'live',
          FunctionVersion: { 'Fn::GetAtt': ['V', 'Version'] },
        },
      },
    };
    expect(resolved({ alias: { Ref: 'A' }, version: { Ref: 'V' } }, { more })).toEqual({
      alias: 'arn:aws:lambda:eu-west-1:000000000000:function:main-Fn:live',
      version: 'arn:aws:lambda:eu-west-1:000000000000:function:main-Fn:1',
    });
  });

  it('to something that is not there are errors that name it', () => {
    expect(() => resolved({ x: { Ref: 'Nothing' } })).toThrow('Nothing');
    expect(() =>
      resolved({ x: { 'Fn::GetAtt': ['Q', 'Colour'] } }, { more: { Q: queue } }),
    ).toThrow(/Colour of AWS::SQS::Queue Q/);
  });
});

describe('intrinsic functions', () => {
  it('are evaluated, nested ones too', () => {
    const values = {
      join: {
        'Fn::Join': [
          '-',
          ['a', { Ref: 'AWS::Region' }, { 'Fn::Select': [1, { 'Fn::Split': [',', 'x,y'] }] }],
        ],
      },
      sub: {
        'Fn::Sub': [
          `\${Q.QueueName} \${own} \${AWS::Partition} \${!kept}`,
          { own: { Ref: 'AWS::AccountId' } },
        ],
      },
      yes: { 'Fn::If': ['IsEu', 'yes', 'no'] },
      gone: { 'Fn::If': ['IsUs', 'yes', { Ref: 'AWS::NoValue' }] },
      list: [1, { Ref: 'AWS::NoValue' }, true],
      parameter: { Ref: 'Given' },
    };
    const rest = {
      more: { Q: queue },
      Conditions: {
        IsEu: { 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'eu-west-1'] },
        IsUs: { 'Fn::Not': [{ Condition: 'IsEu' }] },
      },
      Parameters: { Given: { Type: 'String', Default: 'default' } },
    };
    expect(resolved(values, rest)).toEqual({
      join: 'a-eu-west-1-y',
      sub: `main-Q 000000000000 aws \${kept}`,
      yes: 'yes',
      list: [1, true],
      parameter: 'default',
    });
  });

  it('that are not known are errors that name them', () => {
    expect(() => resolved({ x: { 'Fn::Cidr': ['10.0.0.0/16', 6, 8] } })).toThrow('Fn::Cidr');
  });

  it('leave an ordinary object with one key alone', () => {
    expect(resolved({ pattern: { source: ['tollgate'] } })).toEqual({
      pattern: { source: ['tollgate'] },
    });
  });
});

describe('stacks', () => {
  const data = {
    Resources: { Q: queue },
    Outputs: {
      Strong: { Value: { 'Fn::GetAtt': ['Q', 'Arn'] }, Export: { Name: 'data:Q' } },
      Weak: { Value: { Ref: 'Q' } },
    },
  };

  it('read each other by export and by output', () => {
    const values = {
      strong: { 'Fn::ImportValue': 'data:Q' },
      weak: { 'Fn::GetStackOutput': { StackName: 'data', OutputName: 'Weak' } },
    };
    const main = { Resources: { Probe: { Type: 'AWS::SNS::Topic', Properties: values } } };
    const { resources } = assemblyOf({ main, data });
    expect(resources.find(({ logicalId }) => logicalId === 'Probe')?.properties).toEqual({
      strong: 'arn:aws:sqs:eu-west-1:000000000000:data-Q',
      weak: 'http://queues/data-Q',
    });
  });

  it('leave out what is ignored and what its condition excludes', () => {
    const Resources = {
      Q: queue,
      R: { Type: 'AWS::IAM::Role' },
      C: { Type: 'AWS::SQS::Queue', Condition: 'Never' },
    };
    const Conditions = { Never: { 'Fn::Equals': ['a', 'b'] } };
    expect(
      assemblyOf({ main: { Resources, Conditions } }).resources.map(({ logicalId }) => logicalId),
    ).toEqual(['Q']);
  });

  it('live in the region and account of the manifest where it says one', () => {
    assemblyOf({ main: { Resources: {} } }, 'aws://111122223333/eu-central-1');
    expect(readPlace(dir)).toEqual({ accountId: '111122223333', region: 'eu-central-1' });
    assemblyOf({ main: { Resources: {} } }, 'aws://unknown-account/unknown-region');
    expect(readPlace(dir)).toEqual({ accountId: '000000000000', region: 'us-east-1' });
  });
});

it('finds the folder of an asset by its object key', () => {
  mkdirSync(join(dir, 'asset.1'));
  const files = {
    1: {
      source: { path: 'asset.1', packaging: 'zip' },
      destinations: { current: { objectKey: '1.zip' } },
    },
  };
  writeFileSync(join(dir, 'main.assets.json'), JSON.stringify({ files }));
  const artifacts = {
    'main.assets': { type: 'cdk:asset-manifest', properties: { file: 'main.assets.json' } },
  };
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ artifacts }));
  const assembly = readAssembly(dir, { queueUrl: (name) => name, isIgnored: () => false });
  expect(assembly.assetDir('1.zip')).toBe(join(dir, 'asset.1'));
  expect(() => assembly.assetDir('2.zip')).toThrow('2.zip');
});
