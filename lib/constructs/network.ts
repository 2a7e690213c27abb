import { Fn, RemovalPolicy } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  IpAddresses,
  type IVpc,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { exact } from '../exact.ts';

export interface NetworkProps {
  readonly logRetentionDays: number;
}

/** The private network of what cannot run without one: managed instances and GPU servers. */
export class Network extends Construct {
  readonly vpc: IVpc;
  /** Worn by the proxy; servers inside the network let in only its wearers. */
  readonly callers: SecurityGroup;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.40.0.0/16'),
      // Asked of CloudFormation at deploy time: a lookup at synth would need credentials.
      availabilityZones: [0, 1, 2].map((index) => Fn.select(index, Fn.getAzs())),
      // One gateway, not one a zone: 33 dollars a month each. The loss of its zone stops egress.
      natGateways: 1,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'private', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
      ],
      // Closing it needs a custom resource with code of its own; nothing here wears the default group.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: {
        s3: { service: GatewayVpcEndpointAwsService.S3 },
        dynamodb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    this.vpc = exact(vpc);
    this.vpc.addFlowLog('Rejected', {
      trafficType: FlowLogTrafficType.REJECT,
      destination: FlowLogDestination.toCloudWatchLogs(
        new LogGroup(this, 'FlowLog', {
          retention: props.logRetentionDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      ),
    });
    this.callers = new SecurityGroup(this, 'Callers', {
      vpc: this.vpc,
      description: 'The proxy: calls providers and model servers, is called by nobody',
    });
  }
}
