import { Duration, RemovalPolicy, Size, Stack, Token } from 'aws-cdk-lib';
import { AcceleratorManufacturer, AcceleratorType, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import {
  Cluster,
  Compatibility,
  ContainerImage,
  ContainerInsights,
  FargateService,
  LogDrivers,
  ManagedInstancesCapacityProvider,
  NetworkMode,
  TaskDefinition,
} from 'aws-cdk-lib/aws-ecs';
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ListenerAction,
  ListenerCondition,
  TargetGroupLoadBalancingAlgorithmType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { ARecord, PrivateHostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import { exact } from '../exact.ts';
import type { InferenceSettings } from '../stage-config.ts';
import type { Network } from './network.ts';
import { accessLogBucket } from './private-bucket.ts';

export interface VllmServiceProps {
  readonly network: Network;
  readonly settings: InferenceSettings;
  readonly logRetentionDays: number;
}

/**
 * What the load balancer lets through. vLLM protects only some of its paths with its key, and others can pause the
 * server or read its state, so everything that is not inference stops here.
 */
export const INFERENCE_PATHS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/messages',
  '/v1/responses',
  '/v1/models',
  '/health',
] as const;

const PORT = 8000;
const HOST = 'vllm.internal';

export class VllmService extends Construct {
  readonly baseUrl = `http://${HOST}:${PORT}`;

  constructor(scope: Construct, id: string, props: VllmServiceProps) {
    super(scope, id);
    const { network } = props;
    const service = this.#service(props);
    const balancer = this.#balancer(network);
    const listener = balancer.addListener('Inference', {
      port: PORT,
      // Inside the network and between security groups that name each other.
      protocol: ApplicationProtocol.HTTP,
      open: false,
      defaultAction: ListenerAction.fixedResponse(404, {
        contentType: 'application/json',
        messageBody: '{}',
      }),
    });
    listener.connections.allowFrom(network.callers, Port.tcp(PORT), 'The proxy');
    const targets = listener.addTargets('Servers', {
      port: PORT,
      protocol: ApplicationProtocol.HTTP,
      targets: [service],
      priority: 1,
      conditions: [ListenerCondition.pathPatterns(INFERENCE_PATHS.slice(0, PATHS_A_RULE))],
      loadBalancingAlgorithmType: TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
      healthCheck: { path: '/health', interval: Duration.seconds(15) },
      // A server that leaves finishes its streams.
      deregistrationDelay: Duration.minutes(15),
    });
    listener.addAction('MorePaths', {
      priority: 2,
      conditions: [ListenerCondition.pathPatterns(INFERENCE_PATHS.slice(PATHS_A_RULE))],
      action: ListenerAction.forward([targets]),
    });
    new ARecord(this, 'Record', {
      zone: new PrivateHostedZone(this, 'Zone', { zoneName: HOST, vpc: network.vpc }),
      target: RecordTarget.fromAlias(new LoadBalancerTarget(balancer)),
    });
  }

  #service({ network, settings, logRetentionDays }: VllmServiceProps): FargateService {
    const cluster = new Cluster(this, 'Cluster', {
      vpc: network.vpc,
      containerInsightsV2: ContainerInsights.ENABLED,
    });
    const servers = new SecurityGroup(this, 'Servers', {
      vpc: network.vpc,
      description: 'vLLM servers',
    });
    const capacity = new ManagedInstancesCapacityProvider(this, 'Capacity', {
      subnets: network.vpc.privateSubnets,
      securityGroups: [servers],
      taskVolumeStorage: Size.gibibytes(200),
      instanceRequirements: {
        allowedInstanceTypes: [...settings.instanceTypes],
        vCpuCountMin: 4,
        memoryMin: Size.gibibytes(16),
        acceleratorTypes: [AcceleratorType.GPU],
        acceleratorManufacturers: [AcceleratorManufacturer.NVIDIA],
        acceleratorCountMin: 1,
      },
    });
    acknowledge(capacity, capacityFindings(Stack.of(this)));
    cluster.addManagedInstancesCapacityProvider(capacity);
    return new FargateService(this, 'Service', {
      cluster: exact(cluster),
      taskDefinition: this.#task(settings, logRetentionDays),
      desiredCount: settings.tasks,
      securityGroups: [servers],
      vpcSubnets: { subnets: network.vpc.privateSubnets },
      capacityProviderStrategies: [{ capacityProvider: capacity.capacityProviderName, weight: 1 }],
      circuitBreaker: { rollback: true },
      minHealthyPercent: 100,
      // Loading a model takes minutes.
      healthCheckGracePeriod: Duration.minutes(15),
    });
  }

  #task(settings: InferenceSettings, logRetentionDays: number): TaskDefinition {
    const task = new TaskDefinition(this, 'Task', {
      compatibility: Compatibility.MANAGED_INSTANCES,
      networkMode: NetworkMode.AWS_VPC,
      cpu: '4096',
      memoryMiB: '14336',
    });
    task.addContainer('vllm', {
      image: ContainerImage.fromRegistry(settings.image),
      gpuCount: 1,
      command: [
        ...['--model', settings.model, '--host', '0.0.0.0', '--port', String(PORT)],
        // The policy says so of this provider (schedules_by_priority); without it vLLM refuses a request that carries a priority.
        ...['--scheduling-policy', 'priority', '--enable-prefix-caching'],
      ],
      environment: {
        VLLM_MAX_N_SEQUENCES: '16',
        // A prompt cannot make the server fetch an address of its choice.
        VLLM_MEDIA_URL_ALLOW_REDIRECTS: '0',
        VLLM_DO_NOT_TRACK: '1',
      },
      portMappings: [{ containerPort: PORT }],
      logging: LogDrivers.awsLogs({
        streamPrefix: 'vllm',
        logGroup: new LogGroup(this, 'Log', {
          retention: logRetentionDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      }),
    });
    acknowledge(task, {
      ECS2: 'Switches of the server that are the same in every stage; none is a secret.',
    });
    return task;
  }

  #balancer({ vpc }: Network): ApplicationLoadBalancer {
    const balancer = new ApplicationLoadBalancer(this, 'Balancer', {
      vpc,
      internetFacing: false,
      vpcSubnets: { subnets: vpc.privateSubnets },
      // As long as API Gateway carries a stream.
      idleTimeout: Duration.minutes(15),
      dropInvalidHeaderFields: true,
    });
    balancer.logAccessLogs(accessLogBucket(this, 'AccessLogs', RemovalPolicy.RETAIN));
    return balancer;
  }
}

/** A rule of a load balancer holds five patterns. */
const PATHS_A_RULE = 5;

function capacityFindings({ region, account }: Stack): Record<string, string> {
  const inAccount = Token.isUnresolved(account) ? '<AWS::AccountId>' : account;
  const agent = 'The ECS agent registers its instance under an id that does not exist before.';
  return {
    'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances]':
      'The policy by which AWS limits its own operator of the instances; it changes with the service.',
    'IAM5[Resource::*]': 'Only ecs:DiscoverPollEndpoint, which AWS defines without a resource.',
    [`IAM5[Resource::arn:aws:ecs:${region}:${inAccount}:container-instance/*]`]: agent,
  };
}
