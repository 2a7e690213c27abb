/** The AWS services that the request path calls, and where they are. All speak AWS's JSON protocol over HTTP/1.1. */

interface AwsService {
  /** Before the operation in `x-amz-target`. */
  readonly target: string;
  readonly jsonVersion: '1.0' | '1.1';
  /** Ends the name of the variable that puts another endpoint in the place of AWS's own, as for AWS's clients. */
  readonly variable: string;
  /** Connections at most: a function's environment has 1,024 file descriptors, and providers may take 768 of them. */
  readonly connections: number;
}

export const AWS_SERVICES = {
  dynamodb: {
    target: 'DynamoDB_20120810',
    jsonVersion: '1.0',
    variable: 'DYNAMODB',
    connections: 128,
  },
  kinesis: {
    target: 'Kinesis_20131202',
    jsonVersion: '1.1',
    variable: 'KINESIS',
    connections: 32,
  },
  sqs: { target: 'AmazonSQS', jsonVersion: '1.0', variable: 'SQS', connections: 16 },
  secretsmanager: {
    target: 'secretsmanager',
    jsonVersion: '1.1',
    variable: 'SECRETS_MANAGER',
    connections: 16,
  },
} as const satisfies Readonly<Record<string, AwsService>>;

/** As in the signature's scope and in the name of the host. */
export type AwsServiceName = keyof typeof AWS_SERVICES;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws when the environment does not say in which region the function runs. */
export function regionOf(env: Environment): string {
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'];
  if (!region) throw new Error('no AWS region in the environment');
  return region;
}

export function endpointOf(service: AwsServiceName, region: string, env: Environment): URL {
  const { variable } = AWS_SERVICES[service];
  const other = env[`AWS_ENDPOINT_URL_${variable}`] || env['AWS_ENDPOINT_URL'];
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return new URL(other || `https://${service}.${region}.${domain}`);
}
