/**
 * The AWS services that our stacks use, on one loopback port, for unmodified SDK clients. Everything
 * acknowledged is on disk first, so that a killed process loses nothing; deliveries may repeat, as on AWS.
 */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../core/clock.ts';
import { createAsyncInvocations } from './async-invocations.ts';
import { createAthena } from './athena.ts';
import { createAthenaEngine } from './athena-engine.ts';
import { createEventBridge } from './event-bridge.ts';
import { createFirehose } from './firehose.ts';
import { answerJson, type FaultSource, type JsonService } from './json-service.ts';
import { createKinesis } from './kinesis.ts';
import { createLambda } from './lambda.ts';
import { startQueueConsumer } from './queue-consumer.ts';
import type {
  DeliveryStreamSpec,
  NamedQuerySpec,
  QueueConsumerSpec,
  QueueHandler,
  QueueSpec,
  RuleSpec,
  SecretSpec,
  StreamConsumerSpec,
  StreamHandler,
  TableSpec,
  TopicSubscriber,
  ViewSpec,
  WorkGroupSpec,
} from './resources.ts';
import { createS3 } from './s3.ts';
import { createObjectStore, type ObjectStore } from './s3-store.ts';
import { createSecretsManager } from './secrets-manager.ts';
import { createSns } from './sns.ts';
import { createSqs } from './sqs.ts';
import { startStreamConsumer } from './stream-consumer.ts';
import type { StreamRecord } from './streams.ts';
import { listenOnLoopback, type WireRequest, type WireResponse } from './wire.ts';

export interface LocalAwsOptions {
  readonly dataDir: string;
  /** 0 or absent: any free port of 127.0.0.1. */
  readonly port?: number;
  readonly clock?: Clock;
  /** Region and account of the ARNs given out; requests may name resources by any ARN or by name. */
  readonly region?: string;
  readonly accountId?: string;
  /** Longest time that Firehose buffers here, whatever the template says; default 2. */
  readonly localBufferSeconds?: number;
  /** One line for each alert, e-mail and undeliverable event. */
  readonly log?: (line: string) => void;
}

/** Resources are created idempotently: a restart repeats the calls and finds the data. */
export interface LocalAws {
  readonly url: string;
  /** Of a locked bucket no object is ever replaced or removed. */
  createBucket(name: string, options?: { readonly isLocked: boolean }): void;
  createSecret(spec: SecretSpec): void;
  createStream(name: string): void;
  createDeliveryStream(spec: DeliveryStreamSpec): void;
  createQueue(spec: QueueSpec): void;
  createTopic(name: string): void;
  subscribeTopic(topic: string, subscriber: TopicSubscriber): void;
  createBus(name: string): void;
  createRule(spec: RuleSpec): void;
  createTable(spec: TableSpec): void;
  createView(spec: ViewSpec): void;
  createWorkGroup(spec: WorkGroupSpec): void;
  createNamedQuery(spec: NamedQuerySpec): void;
  /** The URL that SQS clients use, and that `Ref` of a queue resolves to. */
  queueUrl(name: string): string;
  consumeStream(stream: string, spec: StreamConsumerSpec, handler: StreamHandler): void;
  consumeQueue(queue: string, spec: QueueConsumerSpec, handler: QueueHandler): void;
  /** Makes a function answer Lambda's Invoke under these names. */
  serveFunction(names: readonly string[], invoke: (event: unknown) => Promise<unknown>): void;
  /** Firehose writes out what is buffered now. */
  flush(): Promise<void>;
  /** Makes calls fail, for tests; undefined ends it. */
  injectFaults(source: FaultSource | undefined): void;
  close(): Promise<void>;
}

export async function startLocalAws(options: LocalAwsOptions): Promise<LocalAws> {
  let url = '';
  const services = createServices(options, (name) => `${url}/${accountOf(options)}/${name}`);
  const { store, kinesis, sqs, sns, eventBridge, secretsManager, firehose, athena } = services;
  const consumers: (() => Promise<void>)[] = [];
  let faults: FaultSource | undefined;
  const server = await listenOnLoopback(options.port ?? 0, (request) =>
    answer(services, request, faults),
  );
  url = server.url;
  let closing: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    await server.close();
    // A function that hangs must not keep the process: its records come again at the next start.
    const stopped = Promise.all([...consumers.map((stop) => stop()), services.invocations.stop()]);
    await Promise.race([stopped, sleep(STOP_MS, undefined, { ref: false })]);
    await services.engine.close();
    await firehose.close();
    kinesis.close();
    sqs.close();
  }

  return {
    url,
    createBucket: (name, options) => store.createBucket(name, options),
    createSecret: (spec) => secretsManager.create(spec),
    createStream: (name) => kinesis.create(name),
    createDeliveryStream: (spec) => firehose.create(spec),
    createQueue: (spec) => sqs.create(spec),
    createTopic: (name) => sns.create(name),
    subscribeTopic: (topic, subscriber) => sns.subscribe(topic, subscriber),
    createBus: (name) => eventBridge.createBus(name),
    createRule: (spec) => eventBridge.createRule(spec),
    createTable: (spec) => services.engine.createTable(spec),
    createView: (spec) => services.engine.createView(spec),
    createWorkGroup: (spec) => athena.createWorkGroup(spec),
    createNamedQuery: (spec) => athena.createNamedQuery(spec),
    queueUrl: services.queueUrl,
    consumeStream(name, spec, handler) {
      const source = kinesis.stream(name);
      const streamArn = kinesis.streamArn(name);
      const discard = discardTo(services, spec);
      consumers.push(
        startStreamConsumer({ ...services, source, streamArn, spec, handler, discard }),
      );
    },
    consumeQueue(name, spec, handler) {
      const queue = sqs.queue(name);
      const queueArn = sqs.queueArn(name);
      consumers.push(startQueueConsumer({ ...services, queue, queueArn, spec, handler }));
    },
    serveFunction: (names, invoke) => services.lambda.register(names, invoke),
    flush: () => firehose.flush(),
    injectFaults(source) {
      faults = source;
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

type Services = ReturnType<typeof createServices>;

function createServices(options: LocalAwsOptions, queueUrl: (name: string) => string) {
  const { clock = systemClock, log = () => undefined, region = 'us-east-1' } = options;
  const dataDir = resolve(options.dataDir);
  const arn = (service: string, resource: string): string =>
    `arn:aws:${service}:${region}:${accountOf(options)}:${resource}`;
  const store = createObjectStore(dataDir);
  const engine = createAthenaEngine({
    lakeDir: join(dataDir, 's3'),
    databasePath: join(dataDir, 'athena', 'catalog.duckdb'),
  });
  const kinesis = createKinesis({ dir: join(dataDir, 'kinesis'), clock, arn });
  const sqs = createSqs({ dir: join(dataDir, 'sqs'), clock, arn, queueUrl });
  const invocations = createAsyncInvocations(sqs, log);
  const sns = createSns({ dir: join(dataDir, 'sns'), clock, arn, sqs, invocations, log });
  const firehose = createFirehose({
    dir: join(dataDir, 'firehose'),
    clock,
    log,
    maxBufferSeconds: options.localBufferSeconds ?? DEFAULT_BUFFER_SECONDS,
    sourceStream: kinesis.stream,
    objectPath: store.objectPath,
  });
  const athena = createAthena({
    engine,
    clock,
    flush: firehose.flush,
    putObject: (bucket, key, data) =>
      putText(store, { bucket, key }, { data, contentType: 'text/csv' }),
  });
  const secretsManager = createSecretsManager({ dir: join(dataDir, 'secrets'), clock, arn });
  const eventBridge = createEventBridge({
    dir: join(dataDir, 'events'),
    clock,
    arn,
    sqs,
    sns,
    invocations,
  });
  const lambda = createLambda();
  const answerS3 = createS3({ store, dir: dataDir });
  const json: readonly JsonService[] = [
    kinesis,
    firehose,
    sqs,
    athena,
    secretsManager,
    eventBridge,
  ].map(({ service }) => service);
  return {
    clock,
    log,
    queueUrl,
    store,
    engine,
    kinesis,
    sqs,
    invocations,
    sns,
    firehose,
    athena,
    secretsManager,
    eventBridge,
    lambda,
    answerS3,
    json,
  };
}

const DEFAULT_BUFFER_SECONDS = 2;
const STOP_MS = 5_000;

function accountOf({ accountId = '000000000000' }: LocalAwsOptions): string {
  return accountId;
}

function putText(
  store: ObjectStore,
  address: { bucket: string; key: string },
  { data, contentType }: { data: string; contentType: string },
): void {
  const details = { contentType, metadata: {}, crc32: undefined, etag: undefined };
  store.put(address, Buffer.from(data), details);
}

/** Every JSON protocol names its operation in a header, the query protocol sends a form; what is left is S3. */
async function answer(
  { json, sns, lambda, answerS3 }: Services,
  request: WireRequest,
  faults: FaultSource | undefined,
): Promise<WireResponse> {
  if (request.headers['x-amz-target'] !== undefined) return answerJson(json, request, faults);
  if (lambda.isRequest(request)) return lambda.answer(request);
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  return isForm === true ? sns.answer(request) : answerS3(request);
}

/** Where a consumer's lost records are reported: the message of a queue, or an object that also holds the records. */
function discardTo(
  { sqs, store, clock }: Services,
  { name, onFailure }: StreamConsumerSpec,
): (description: unknown, records: readonly StreamRecord[]) => void {
  return (description, records) => {
    if (onFailure === undefined) return;
    if ('queue' in onFailure) {
      sqs.queue(onFailure.queue).send([{ body: JSON.stringify(description) }]);
      return;
    }
    const key = `aws/lambda/${name}/${new Date(clock.nowMs()).toISOString()}-${records[0]?.position}`;
    const data = JSON.stringify({ description, records });
    putText(store, { bucket: onFailure.bucket, key }, { data, contentType: 'application/json' });
  };
}
