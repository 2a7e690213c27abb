import { join } from 'node:path';
import { AssetHashType, DockerImage, type Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IGrantable, IPrincipal, IRole } from 'aws-cdk-lib/aws-iam';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  Code,
  type FunctionOptions,
  type IFunction,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import {
  type BundlingOptions,
  LogLevel,
  NodejsFunction,
  OutputFormat,
} from 'aws-cdk-lib/aws-lambda-nodejs';
import { type ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ENV, METRIC_NAMESPACE } from '../../core/names.ts';
import { acknowledge } from '../acknowledge.ts';
import { exact } from '../exact.ts';
import { bundleLean } from '../lean-bundle.ts';
import { leanOptions } from '../lean-options.ts';
import { projectRoot } from '../project-root.ts';
import type { StageConfig } from '../stage-config.ts';
import { runOnManagedInstances } from './managed-instances.ts';
import type { Network } from './network.ts';

export interface GatewayFunctionProps {
  readonly config: StageConfig;
  /** Folder of lambdas/ that holds handler.ts; also the service's name in logs and metrics. */
  readonly service: string;
  readonly description: string;
  readonly timeout: Duration;
  /** What this function needs beyond what every function gets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly compute: StageConfig['compute'];
  /** Callers wait for its start: nothing is in the bundle that only helps to read it (ADR 0020). */
  readonly isLean?: true;
  /** Needed by managed instances, and where something inside must be reached; egress is then paid by the gigabyte. */
  readonly network?: Network | undefined;
}

/** One of our functions: bundled, versioned, called through its `live` alias, allowed at birth to write its own log only. */
export class GatewayFunction extends Construct implements IGrantable {
  /** What callers and event sources invoke: the published version, never the latest code. */
  readonly alias: IFunction;
  readonly grantPrincipal: IPrincipal;
  /** For policies that belong to what they protect. */
  readonly role: IRole;
  readonly logGroup: ILogGroup;

  constructor(scope: Construct, id: string, props: GatewayFunctionProps) {
    super(scope, id);
    const { config, compute, network } = props;
    this.logGroup = new LogGroup(this, 'Log', {
      retention: config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { handler, role } = this.#handler(props);
    this.role = role;
    this.grantPrincipal = handler.grantPrincipal;
    if (compute.kind === 'managed-instances') {
      if (network === undefined) throw new TypeError('managed instances run inside a network');
      runOnManagedInstances(handler, { compute, network });
    }
    const warm = compute.kind === 'lambda' ? compute.provisionedConcurrency : undefined;
    const alias = handler.addAlias(
      'live',
      warm === undefined ? {} : { provisionedConcurrentExecutions: warm },
    );
    this.alias = exact(alias);
  }

  #handler(props: GatewayFunctionProps): { handler: LambdaFunction; role: IRole } {
    const { config, compute } = props;
    const { logGroup } = this;
    const role = this.#role(props);
    const options = {
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: compute.memoryMb,
      timeout: props.timeout,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel[config.logLevel],
      // The platform's own line for every start and end would cost more than our logs.
      systemLogLevelV2: SystemLogLevel.WARN,
      environment: {
        [ENV.stage]: config.stage,
        POWERTOOLS_SERVICE_NAME: props.service,
        POWERTOOLS_METRICS_NAMESPACE: METRIC_NAMESPACE,
        POWERTOOLS_LOG_LEVEL: config.logLevel,
        // Lean telemetry reads the source map itself when there is a fault to report.
        NODE_OPTIONS: props.isLean === true ? leanOptions(compute.kind) : '--enable-source-maps',
        ...props.environment,
      },
      ...placement(props),
    };
    const handler =
      props.isLean === true
        ? new LambdaFunction(this, 'Function', {
            ...options,
            code: leanCode(props.service),
            handler: 'index.handler',
          })
        : new NodejsFunction(this, 'Function', {
            ...options,
            entry: join(projectRoot, 'lambdas', props.service, 'handler.ts'),
            handler: 'handler',
            projectRoot,
            depsLockFilePath: join(projectRoot, 'package-lock.json'),
            bundling,
          });
    return { handler, role };
  }

  /** Written by hand because the generated role may write every log group of the account. */
  #role({ network, service, compute }: GatewayFunctionProps): Role {
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Execution role of the ${service} function`,
    });
    this.logGroup.grantWrite(role);
    if (network !== undefined && compute.kind === 'lambda') {
      const policy = 'service-role/AWSLambdaVPCAccessExecutionRole';
      role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName(policy));
      acknowledge(role, {
        [`IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${policy}]`]:
          'Network interfaces have no ARN before they exist; this is the policy AWS maintains for that.',
      });
    }
    return role;
  }
}

/** Local esbuild, no container. The SDK is bundled so that what was tested is what runs. */
const bundling: BundlingOptions = {
  format: OutputFormat.ESM,
  target: 'node24',
  minify: true,
  keepNames: true,
  sourceMap: true,
  sourcesContent: false,
  externalModules: [],
  mainFields: ['module', 'main'],
  logLevel: LogLevel.WARNING,
  // Dependencies that are still CommonJS call require, which ES modules do not have.
  banner:
    "import{createRequire as bannerRequire}from'node:module';const require=bannerRequire(import.meta.url);",
};

function leanCode(service: string): Code {
  return Code.fromAsset(projectRoot, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Asked for by the type; nothing runs in it, since what is local succeeds or throws.
      image: DockerImage.fromRegistry('none'),
      local: {
        tryBundle(outputDir) {
          bundleLean(service, outputDir);
          return true;
        },
      },
    },
  });
}

function placement({ compute, network }: GatewayFunctionProps): FunctionOptions {
  if (compute.kind === 'managed-instances') {
    const { minEnvironments, maxEnvironments } = compute;
    return {
      currentVersionOptions: {
        minExecutionEnvironments: minEnvironments,
        maxExecutionEnvironments: maxEnvironments,
      },
    };
  }
  return {
    ...(compute.reservedConcurrency === undefined
      ? {}
      : { reservedConcurrentExecutions: compute.reservedConcurrency }),
    ...(network === undefined ? {} : { vpc: network.vpc, securityGroups: [network.callers] }),
  };
}
