/**
 * Deploys a synthesized system on this machine: creates what its templates describe in the local services, starts its
 * functions behind the Runtime API and connects them to their event sources. Running it again changes nothing that exists.
 */

import type { LocalAws } from './aws/local-aws.ts';
import { connectEventSource, createRule, createSchedule, subscribe } from './deploy/events.ts';
import { createFunction } from './deploy/functions.ts';
import {
  createDeliveryStream,
  createLakeTable,
  createNamedQuery,
  createWorkGroup,
} from './deploy/lake.ts';
import { readRestApi } from './deploy/rest-api.ts';
import {
  createBucket,
  createBus,
  createQueue,
  createSecret,
  createStream,
  createTopic,
} from './deploy/services.ts';
import { createTable } from './deploy/tables.ts';
import type { ApiDefinition } from './front/api-definition.ts';
import type { FunctionPool } from './runtime/function-pool.ts';
import type { Assembly, LocalResource } from './templates.ts';

export interface DeployOptions {
  readonly assembly: Assembly;
  readonly aws: LocalAws;
  readonly dynamoUrl: string;
  readonly logsDir: string;
  readonly log: (line: string) => void;
}

export interface Deployment {
  readonly api: ApiDefinition;
  /** By physical name. */
  readonly functions: ReadonlyMap<string, FunctionPool>;
  close(): Promise<void>;
}

/** What a deployer of one resource works with. */
export interface DeployContext extends DeployOptions {
  readonly functions: Map<string, FunctionPool>;
  /** Stop what a deployer has started; run in reverse order. */
  readonly stops: (() => void)[];
}

type Deployer = (resource: LocalResource, context: DeployContext) => void | Promise<void>;

/** In this order, so that what is referred to exists first. */
const DEPLOYERS: readonly (readonly [type: string, deployer: Deployer])[] = [
  ['AWS::DynamoDB::GlobalTable', createTable],
  ['AWS::DynamoDB::Table', createTable],
  ['AWS::S3::Bucket', createBucket],
  ['AWS::SecretsManager::Secret', createSecret],
  ['AWS::Kinesis::Stream', createStream],
  ['AWS::SQS::Queue', createQueue],
  ['AWS::SNS::Topic', createTopic],
  ['AWS::Events::EventBus', createBus],
  ['AWS::Glue::Table', createLakeTable],
  ['AWS::KinesisFirehose::DeliveryStream', createDeliveryStream],
  ['AWS::Athena::WorkGroup', createWorkGroup],
  ['AWS::Athena::NamedQuery', createNamedQuery],
  ['AWS::Lambda::Function', createFunction],
  ['AWS::Lambda::EventSourceMapping', connectEventSource],
  ['AWS::SNS::Subscription', subscribe],
  ['AWS::Events::Rule', createRule],
  ['AWS::Scheduler::Schedule', createSchedule],
];

/** Read by readRestApi, as parts of one API. */
const API_PART = /^AWS::ApiGateway::(RestApi|Resource|Method|Stage|GatewayResponse)$/;

/** Without a meaning on one machine: permissions, keys, logs, audit trails, alarms, names in DNS, and servers of the inference stack. */
const IGNORED =
  /^AWS::(IAM|KMS|Logs|CloudWatch|CloudTrail|CDK|WAFv2|Route53|CertificateManager|Chatbot|EC2|ECS|ElasticLoadBalancingV2|AutoScaling|ApplicationAutoScaling|ServiceDiscovery)::|^AWS::(ApiGateway::(Account|Deployment|DomainName|BasePathMapping)|Events::EventBusPolicy|Glue::Database|Lambda::(Alias|CapacityProvider|Permission|Version|EventInvokeConfig)|S3::BucketPolicy|SNS::TopicPolicy|SQS::QueuePolicy|Scheduler::ScheduleGroup|SecretsManager::ResourcePolicy)$/;

export function isIgnored(type: string): boolean {
  return IGNORED.test(type);
}

export async function deploy(options: DeployOptions): Promise<Deployment> {
  const { resources } = options.assembly;
  refuseUnknownTypes(resources);
  const context: DeployContext = { ...options, functions: new Map(), stops: [] };
  for (const [type, deployer] of DEPLOYERS) {
    for (const resource of resources.filter((each) => each.type === type))
      await deployer(resource, context);
  }
  return {
    api: readRestApi(options.assembly),
    functions: context.functions,
    async close() {
      for (const stop of context.stops.toReversed()) stop();
      await Promise.all([...context.functions.values()].map((pool) => pool.close()));
    },
  };
}

function refuseUnknownTypes(resources: readonly LocalResource[]): void {
  const known = new Set(DEPLOYERS.map(([type]) => type));
  const unknown = resources.filter(
    ({ type }) => !known.has(type) && !API_PART.test(type) && !isIgnored(type),
  );
  if (unknown.length === 0) return;
  const names = unknown.map(({ type, logicalId }) => `${type} (${logicalId})`).join(', ');
  throw new Error(`the templates hold resources that the local deployment does not know: ${names}`);
}
