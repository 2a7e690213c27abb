/**
 * The whole system on one machine: engines and services, the synthesized stacks deployed into them, the front before them,
 * the policy applied. What was started last is stopped first.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { type LocalAws, startLocalAws } from './aws/local-aws.ts';
import { lakeLocation, workGroupOfQueries } from './deploy/lake.ts';
import { type Deployment, deploy, isIgnored } from './deploy.ts';
import { type Dynamo, startDynamo } from './dynamo.ts';
import { startFront } from './front.ts';
import { applyPolicy, type DemoKey, demoKey, type Gateway } from './gateway-client.ts';
import { type InstanceState, lockDataFolder, writeState } from './instance-state.ts';
import { chooseProviders } from './provider-choice.ts';
import { prepareSecrets } from './secrets.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from './simulated-provider/simulated-provider.ts';
import { synthesize } from './synth.ts';
import { type Assembly, readAssembly, readPlace } from './templates.ts';

export interface InstanceOptions {
  readonly port: number;
  readonly dataDir: string;
  readonly policyFile: string;
  readonly stage: string;
  /** Default: within the data folder. */
  readonly synthCacheDir?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
}

export interface Instance {
  readonly state: InstanceState;
  readonly demo: DemoKey;
  readonly simulatedProviders: readonly string[];
  readonly dynamoEngine: string;
  /** Where the usage events land as Parquet. */
  readonly lakeDir: string;
  readonly logsDir: string;
  /** Of all functions together: they name everything that was deployed. */
  readonly functionEnv: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

type Stop = () => void | Promise<void>;

export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const stops: Stop[] = [];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    return { ...(await start({ ...options, dataDir: resolve(options.dataDir) }, stops)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(options: InstanceOptions, stops: Stop[]): Promise<Omit<Instance, 'close'>> {
  const { dataDir, env, log, signal } = options;
  const policyText = readFileSync(options.policyFile, 'utf8');
  await refuseBusyPort(options.port);
  stops.push(lockDataFolder(dataDir));
  const cacheDir = options.synthCacheDir ?? join(dataDir, 'synth');
  const projectDir = resolve(import.meta.dirname, '..');
  const folder = await synthesize({ projectDir, stage: options.stage, cacheDir, log, signal });
  const services = await startServices(folder, options, stops);
  const { assembly, deployment, baseUrl } = await deployAll(folder, { options, services, stops });
  signal.throwIfAborted();

  const functionEnv = Object.assign(
    {},
    ...[...deployment.functions.values()].map((pool) => pool.definition.env),
  );
  const { awsUrl, region } = { awsUrl: services.aws.url, region: assembly.place.region };
  const adminKey = await prepareSecrets({ awsUrl, region, functionEnv, env });
  const chosen = chooseProviders(policyText, services.provider.url, env);
  const gateway = { baseUrl, adminKey };
  const refusal = await applyPolicy(gateway, chosen.text);
  if (refusal !== undefined)
    log(`${options.policyFile}: ${refusal}\nThe policy that was in force stays.`);
  // Not before: what starts with the old policy keeps it for half a minute, and in it the address that the provider had.
  for (const { functionName } of deployment.api.routes)
    deployment.functions.get(functionName)?.warm();
  const demo = await demoKey(gateway, chosen.text, dataDir);
  signal.throwIfAborted();

  const state = stateOf({ dataDir, gateway, demo, services, assembly });
  writeState(state);
  const lake = lakeLocation(assembly);
  return {
    state,
    demo,
    simulatedProviders: chosen.simulated,
    dynamoEngine: services.dynamo.engine,
    lakeDir: join(dataDir, 's3', lake.bucket, lake.prefix),
    logsDir: join(dataDir, 'logs'),
    functionEnv,
  };
}

interface Services {
  readonly dynamo: Dynamo;
  readonly provider: SimulatedProvider;
  readonly aws: LocalAws;
}

async function startServices(
  folder: string,
  { dataDir, env, log }: InstanceOptions,
  stops: Stop[],
): Promise<Services> {
  const dynamo = await startDynamo({ dataDir, env, log });
  stops.push(() => dynamo.close());
  const provider = await startSimulatedProvider({
    dataDir: join(dataDir, 'provider'),
    awsSecrets: { local: 'local' },
  });
  stops.push(() => provider.close());
  const aws = await startLocalAws({ dataDir, log, ...readPlace(folder) });
  stops.push(() => aws.close());
  return { dynamo, provider, aws };
}

interface DeployInput {
  readonly options: InstanceOptions;
  readonly services: Services;
  readonly stops: Stop[];
}

async function deployAll(
  folder: string,
  { options, services, stops }: DeployInput,
): Promise<{ assembly: Assembly; deployment: Deployment; baseUrl: string }> {
  const { aws, dynamo } = services;
  const { dataDir, log, port } = options;
  const assembly = readAssembly(folder, { queueUrl: (name) => aws.queueUrl(name), isIgnored });
  const deployment = await deploy({
    assembly,
    aws,
    dynamoUrl: dynamo.url,
    logsDir: join(dataDir, 'logs'),
    log,
  });
  stops.push(() => deployment.close());
  const { api } = deployment;
  const invokeFunction = (name: string, event: unknown) => invoke(deployment, name, event);
  const front = await startFront({ api, invoke: invokeFunction, clock: systemClock, port });
  stops.push(() => front.close());
  return { assembly, deployment, baseUrl: front.url };
}

interface StateInput {
  readonly dataDir: string;
  readonly gateway: Gateway;
  readonly demo: DemoKey;
  readonly services: Services;
  readonly assembly: Assembly;
}

function stateOf({ dataDir, gateway, demo, services, assembly }: StateInput): InstanceState {
  return {
    ...gateway,
    demoKey: demo.key,
    dataDir,
    pid: process.pid,
    providerUrl: services.provider.url,
    awsUrl: services.aws.url,
    dynamoUrl: services.dynamo.url,
    workGroup: workGroupOfQueries(assembly),
    region: assembly.place.region,
  };
}

function invoke({ functions }: Deployment, functionName: string, event: unknown) {
  const pool = functions.get(functionName);
  if (pool === undefined)
    throw new Error(`the API names a function ${functionName} that the templates do not hold`);
  return pool.invoke(event);
}

/** Before anything slow, so that a port in use is said at once. */
async function refuseBusyPort(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  }).catch((error: unknown) => {
    throw new Error(`port ${port} is in use or not allowed; choose another with --port`, {
      cause: error,
    });
  });
}
