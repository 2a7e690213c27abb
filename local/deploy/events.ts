/** What calls functions besides the API: streams, queues, topics, rules and schedules. */
import * as z from 'zod';
import type { BatchResponse, RuleTarget, TopicSubscriber } from '../aws/resources.ts';
import type { DeployContext } from '../deploy.ts';
import type { FunctionPool } from '../runtime/function-pool.ts';
import { invokeJson } from '../runtime/invoke-json.ts';
import { startSchedule } from '../schedule.ts';
import { nameFromArn } from '../templates/physical.ts';
import type { LocalResource } from '../templates.ts';

const batchResponseSchema = z
  .object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })).nullish() })
  .nullish()
  .catch(undefined);

const mappingSchema = z.object({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  BatchSize: z.number().optional(),
  MaximumBatchingWindowInSeconds: z.number().default(0),
  MaximumRetryAttempts: z.number().default(-1),
  MaximumRecordAgeInSeconds: z.number().default(-1),
  BisectBatchOnFunctionError: z.boolean().default(false),
  FunctionResponseTypes: z.array(z.string()).default([]),
  DestinationConfig: z.object({ OnFailure: z.object({ Destination: z.string() }) }).optional(),
  Enabled: z.boolean().default(true),
});
type Mapping = z.infer<typeof mappingSchema>;

const targetSchema = z.object({
  Arn: z.string(),
  Input: z.string().optional(),
  InputTransformer: z
    .object({
      InputTemplate: z.string(),
      InputPathsMap: z.record(z.string(), z.string()).default({}),
    })
    .optional(),
  DeadLetterConfig: z.object({ Arn: z.string() }).optional(),
});
const ruleSchema = z.object({
  EventBusName: z.string().default('default'),
  EventPattern: z.unknown(),
  ScheduleExpression: z.string().optional(),
  State: z.string().default('ENABLED'),
  Targets: z.array(targetSchema).default([]),
});

const scheduleSchema = z.object({
  ScheduleExpression: z.string(),
  State: z.string().default('ENABLED'),
  Target: z.object({ Arn: z.string(), Input: z.string().optional() }),
});

const subscriptionSchema = z.object({
  TopicArn: z.string(),
  Protocol: z.string(),
  Endpoint: z.string(),
  FilterPolicy: z.unknown().optional(),
  FilterPolicyScope: z.enum(['MessageAttributes', 'MessageBody']).default('MessageAttributes'),
});

export function connectEventSource(
  { logicalId, properties }: LocalResource,
  context: DeployContext,
): void {
  const mapping = mappingSchema.parse(properties);
  if (!mapping.Enabled) return;
  const pool = functionOf(mapping.FunctionName, context);
  const source = nameFromArn(mapping.EventSourceArn);
  const handler = async (event: unknown): Promise<BatchResponse | undefined> => {
    const answer = batchResponseSchema.parse(await invokeJson(pool, event));
    return answer?.batchItemFailures ? { batchItemFailures: answer.batchItemFailures } : undefined;
  };
  const common = {
    name: logicalId,
    maxBatchingWindowSeconds: mapping.MaximumBatchingWindowInSeconds,
    reportBatchItemFailures: mapping.FunctionResponseTypes.includes('ReportBatchItemFailures'),
  };
  const service = mapping.EventSourceArn.split(':')[2];
  if (service === 'sqs')
    context.aws.consumeQueue(source, { ...common, batchSize: mapping.BatchSize ?? 10 }, handler);
  else if (service === 'kinesis') {
    context.aws.consumeStream(
      source,
      { ...common, batchSize: mapping.BatchSize ?? 100, ...streamRetries(mapping) },
      handler,
    );
  } else throw new Error(`${logicalId}: no local event source for ${mapping.EventSourceArn}`);
}

export function createRule({ name, properties }: LocalResource, context: DeployContext): void {
  const rule = ruleSchema.parse(properties);
  if (rule.State !== 'ENABLED') return;
  if (rule.ScheduleExpression !== undefined) {
    for (const target of rule.Targets) schedule(rule.ScheduleExpression, target, context);
    return;
  }
  const targets = rule.Targets.map((target) => ruleTarget(target, context));
  context.aws.createRule({
    name,
    bus: nameFromArn(rule.EventBusName),
    pattern: rule.EventPattern,
    targets,
  });
}

export function createSchedule({ properties }: LocalResource, context: DeployContext): void {
  const { ScheduleExpression, State, Target } = scheduleSchema.parse(properties);
  if (State === 'ENABLED') schedule(ScheduleExpression, Target, context);
}

export function subscribe({ logicalId, properties }: LocalResource, context: DeployContext): void {
  const { TopicArn, FilterPolicy, FilterPolicyScope, ...rest } =
    subscriptionSchema.parse(properties);
  context.aws.subscribeTopic(nameFromArn(TopicArn), {
    ...subscriber(logicalId, rest, context),
    ...(FilterPolicy === undefined
      ? {}
      : { filter: { policy: FilterPolicy, scope: FilterPolicyScope } }),
  });
}

function subscriber(
  logicalId: string,
  { Protocol, Endpoint }: Pick<z.infer<typeof subscriptionSchema>, 'Protocol' | 'Endpoint'>,
  context: DeployContext,
): TopicSubscriber {
  if (Protocol === 'email') return { kind: 'email', address: Endpoint };
  if (Protocol === 'sqs') return { kind: 'queue', name: nameFromArn(Endpoint) };
  if (Protocol === 'lambda') return functionTarget(Endpoint, context);
  throw new Error(`${logicalId}: no local delivery for the protocol ${Protocol}`);
}

/** A negative number means for ever, which the local services say by leaving the number out. */
function streamRetries(mapping: Mapping) {
  const {
    MaximumRetryAttempts: attempts,
    MaximumRecordAgeInSeconds: age,
    DestinationConfig,
  } = mapping;
  const destination = DestinationConfig?.OnFailure.Destination;
  return {
    bisectOnError: mapping.BisectBatchOnFunctionError,
    ...(attempts < 0 ? {} : { retryAttempts: attempts }),
    ...(age < 0 ? {} : { maxRecordAgeSeconds: age }),
    ...(destination === undefined ? {} : { onFailure: failureDestination(destination) }),
  };
}

function failureDestination(arn: string): { queue: string } | { bucket: string } {
  const [, , service] = arn.split(':');
  if (service === 'sqs') return { queue: nameFromArn(arn) };
  if (service === 's3') return { bucket: nameFromArn(arn) };
  throw new Error(`no local delivery of failed records to ${arn}`);
}

function ruleTarget(target: z.infer<typeof targetSchema>, context: DeployContext): RuleTarget {
  const deadLetters = target.DeadLetterConfig?.Arn;
  const transformer = target.InputTransformer;
  return {
    ...deliveryTarget(target.Arn, context),
    ...(deadLetters === undefined ? {} : { deadLetterQueue: nameFromArn(deadLetters) }),
    ...(target.Input === undefined ? {} : { input: target.Input }),
    ...(transformer === undefined
      ? {}
      : { inputTemplate: transformer.InputTemplate, inputPaths: transformer.InputPathsMap }),
  };
}

function deliveryTarget(arn: string, context: DeployContext): RuleTarget {
  switch (arn.split(':')[2]) {
    case 'sns':
      return { kind: 'topic', name: nameFromArn(arn) };
    case 'sqs':
      return { kind: 'queue', name: nameFromArn(arn) };
    case 'lambda':
      return functionTarget(arn, context);
    default:
      throw new Error(`no local delivery to ${arn}`);
  }
}

function functionTarget(
  arn: string,
  context: DeployContext,
): Extract<RuleTarget, { kind: 'function' }> {
  const pool = functionOf(arn, context);
  const invoke = async (event: unknown): Promise<void> => void (await invokeJson(pool, event));
  return { kind: 'function', name: pool.definition.name, invoke };
}

function schedule(
  expression: string,
  target: { Arn: string; Input?: string | undefined },
  context: DeployContext,
): void {
  const pool = functionOf(target.Arn, context);
  const event: unknown = target.Input === undefined ? {} : JSON.parse(target.Input);
  const run = (): void => {
    invokeJson(pool, event).catch((error: unknown) =>
      context.log(`schedule ${expression}: ${String(error)}`),
    );
  };
  context.stops.push(startSchedule(expression, run));
}

function functionOf(arn: string, { functions }: DeployContext): FunctionPool {
  const pool = functions.get(nameFromArn(arn));
  if (pool === undefined) throw new Error(`the templates have no function ${arn}`);
  return pool;
}
