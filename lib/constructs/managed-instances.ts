import { InstanceType } from 'aws-cdk-lib/aws-ec2';
import {
  Architecture,
  CapacityProvider,
  InstanceTypeFilter,
  type Function as LambdaFunction,
  ScalingOptions,
  TargetTrackingScalingPolicy,
} from 'aws-cdk-lib/aws-lambda';
import { acknowledge } from '../acknowledge.ts';
import type { ManagedInstancesCompute, StageConfig } from '../stage-config.ts';
import type { Network } from './network.ts';

/**
 * Runs the function on Lambda Managed Instances: EC2 capacity that Lambda operates, many requests per environment.
 * AWS cannot take a function off a capacity provider again, so a stage that goes back gets a new function.
 */
export function runOnManagedInstances(
  handler: LambdaFunction,
  { compute, network }: { readonly compute: ManagedInstancesCompute; readonly network: Network },
): void {
  const capacity = new CapacityProvider(handler, 'Capacity', {
    subnets: network.vpc.privateSubnets,
    securityGroups: [network.callers],
    architectures: [Architecture.ARM_64],
    instanceTypeFilter: InstanceTypeFilter.allow(
      compute.instanceTypes.map((name) => new InstanceType(name)),
    ),
    maxVCpuCount: compute.maxVcpus,
    // Streams wait far more than they compute, so CPU is what runs out last; 60 % leaves room for the doubling time.
    scalingOptions: ScalingOptions.manual([TargetTrackingScalingPolicy.cpuUtilization(60)]),
  });
  acknowledge(capacity, {
    'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator]':
      'The policy by which AWS limits its own operator of the instances; it changes with the service.',
  });
  capacity.addFunction(handler, {
    perExecutionEnvironmentMaxConcurrency: compute.streamsPerEnvironment,
  });
}

/** Elsewhere an environment is frozen between calls, and could neither share a lease nor return it. */
export function usesLeases(compute: StageConfig['compute']): boolean {
  return compute.kind === 'managed-instances' && compute.leases;
}
