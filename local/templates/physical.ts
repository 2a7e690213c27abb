/**
 * What CloudFormation would call a resource and answer about it, on this machine. Names derive from the stack and the
 * logical id alone, so that a restart finds its data.
 */
import { createHash } from 'node:crypto';

/** The account and region that ARNs name where the stage's config leaves them open. */
export interface Place {
  readonly region: string;
  readonly accountId: string;
  /** SQS clients take the address of the queue from its URL. */
  readonly queueUrl: (name: string) => string;
}

export interface Resource {
  readonly stack: string;
  readonly logicalId: string;
  readonly type: string;
  /** Resolved lazily, because naming one resource needs only a few properties of another. */
  readonly property: (name: string) => unknown;
}

export interface Physical {
  readonly name: string;
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
}

type Describe = (resource: Resource, place: Place) => Physical;

export function physicalOf(resource: Resource, place: Place): Physical {
  return (KINDS[resource.type] ?? byName(serviceOf(resource.type), ''))(resource, place);
}

const KINDS: Readonly<Record<string, Describe>> = {
  'AWS::ApiGateway::RestApi': (resource) => {
    const id = nameOf(resource, 'none');
    return { name: id, ref: id, attributes: { RestApiId: id, RootResourceId: `${id}-root` } };
  },
  'AWS::ApiGateway::Resource': plain('none', 'ResourceId'),
  'AWS::ApiGateway::Deployment': plain('none', 'DeploymentId'),
  'AWS::ApiGateway::Stage': plain('StageName', 'StageName'),
  'AWS::Athena::NamedQuery': plain('Name', 'NamedQueryId'),
  'AWS::Athena::WorkGroup': plain('Name', 'Name'),
  'AWS::DynamoDB::GlobalTable': byName('dynamodb', 'table/', 'TableName'),
  'AWS::DynamoDB::Table': byName('dynamodb', 'table/', 'TableName'),
  'AWS::Events::EventBus': byName('events', 'event-bus/', 'Name'),
  'AWS::Events::Rule': byName('events', 'rule/', 'Name'),
  'AWS::Glue::Database': glueName('DatabaseInput'),
  'AWS::Glue::Table': glueName('TableInput'),
  'AWS::Kinesis::Stream': byName('kinesis', 'stream/', 'Name'),
  'AWS::KinesisFirehose::DeliveryStream': byName(
    'firehose',
    'deliverystream/',
    'DeliveryStreamName',
  ),
  'AWS::KMS::Key': (resource, place) => {
    const id = hash(`${resource.stack}/${resource.logicalId}`).slice(0, 32);
    return { name: id, ref: id, attributes: { KeyId: id, Arn: arn(place, 'kms', `key/${id}`) } };
  },
  'AWS::Lambda::Alias': qualified('Name'),
  'AWS::Lambda::Function': byName('lambda', 'function:', 'FunctionName'),
  'AWS::Lambda::Version': qualified('none', '1'),
  'AWS::Logs::LogGroup': byName('logs', 'log-group:', 'LogGroupName'),
  'AWS::S3::Bucket': (resource) => {
    const name = nameOf(resource, 'BucketName').toLowerCase();
    return {
      name,
      ref: name,
      attributes: { Arn: `arn:aws:s3:::${name}`, DomainName: `${name}.s3.amazonaws.com` },
    };
  },
  'AWS::SecretsManager::Secret': (resource, place) => {
    const name = nameOf(resource, 'Name');
    const secretArn = arn(place, 'secretsmanager', `secret:${name}-${hash(name).slice(0, 6)}`);
    return { name, ref: secretArn, attributes: { Id: secretArn } };
  },
  'AWS::SNS::Topic': (resource, place) => {
    const name = nameOf(resource, 'TopicName');
    const topicArn = arn(place, 'sns', name);
    return { name, ref: topicArn, attributes: { TopicArn: topicArn, TopicName: name } };
  },
  'AWS::SQS::Queue': (resource, place) => {
    const name = nameOf(resource, 'QueueName');
    const url = place.queueUrl(name);
    return {
      name,
      ref: url,
      attributes: { Arn: arn(place, 'sqs', name), QueueName: name, QueueUrl: url },
    };
  },
};

function byName(service: string, prefix: string, nameProperty = 'Name'): Describe {
  return (resource, place) => {
    const name = nameOf(resource, nameProperty);
    const attributes = { Arn: arn(place, service, prefix + name), Name: name };
    return { name, ref: name, attributes };
  };
}

function plain(nameProperty: string, attribute: string): Describe {
  return (resource) => {
    const name = nameOf(resource, nameProperty);
    return { name, ref: name, attributes: { [attribute]: name } };
  };
}

/** Versions and aliases: the function's ARN with a qualifier. Their FunctionName may itself be a name or an ARN. */
function qualified(nameProperty: string, fixed?: string): Describe {
  return (resource, place) => {
    const functionName = nameFromArn(String(resource.property('FunctionName')));
    const qualifier = fixed ?? String(resource.property(nameProperty));
    const ref = arn(place, 'lambda', `function:${functionName}:${qualifier}`);
    return {
      name: functionName,
      ref,
      attributes: {
        AliasArn: ref,
        FunctionArn: ref,
        Version: qualifier,
        FunctionName: functionName,
      },
    };
  };
}

function glueName(inputProperty: string): Describe {
  return (resource) => {
    const input = resource.property(inputProperty);
    const name =
      typeof input === 'object' && input !== null && 'Name' in input
        ? String(input.Name)
        : undefined;
    const ref = name ?? nameOf(resource, 'none');
    return { name: ref, ref, attributes: {} };
  };
}

/** The name of a function, queue, topic, stream, table, bus or bucket out of its ARN, or out of `function:alias`. */
export function nameFromArn(text: string): string {
  if (!text.startsWith('arn:')) return text.split(':')[0] ?? '';
  const [, , service, , , ...rest] = text.split(':');
  if (service === 'lambda') return rest[1] ?? '';
  return rest.join(':').split('/').at(-1) ?? '';
}

function nameOf(resource: Resource, property: string): string {
  const given = resource.property(property);
  if (typeof given === 'string') return given;
  const name = `${resource.stack}-${resource.logicalId}`;
  // 63 characters is the shortest limit among the services (buckets).
  return name.length <= 63 ? name : `${name.slice(0, 54)}-${hash(name).slice(0, 8)}`;
}

function arn({ region, accountId }: Place, service: string, resource: string): string {
  return `arn:aws:${service}:${region}:${accountId}:${resource}`;
}

function serviceOf(type: string): string {
  return (type.split('::')[1] ?? 'unknown').toLowerCase();
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
