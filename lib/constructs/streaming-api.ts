import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  EndpointAccessMode,
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  ResponseTransferMode,
  RestApi,
  SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { ApiGatewayDomain } from 'aws-cdk-lib/aws-route53-targets';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { StageConfig } from '../stage-config.ts';
import { Firewall } from './firewall.ts';
import { addGatewayResponses } from './gateway-responses.ts';

export interface StreamingApiProps {
  readonly config: StageConfig;
  readonly proxy: IFunction;
  readonly admin: IFunction;
}

/** The longest stream that API Gateway carries. Its default would be 29 s. */
export const STREAM_TIMEOUT = Duration.minutes(15);
const ADMIN_TIMEOUT = Duration.seconds(29);

/** The one URL: a Regional REST API (edge endpoints cut a stream that is idle for 30 s) that streams what the proxy writes. */
export class StreamingApi extends Construct {
  readonly api: RestApi;

  constructor(scope: Construct, id: string, props: StreamingApiProps) {
    super(scope, id);
    const { config } = props;
    this.api = this.#api(config);
    this.#routes(props);
    addGatewayResponses(this.api);
    if (config.domain !== undefined) this.#domain(config.domain);
    if (config.waf) new Firewall(this, 'Firewall', { stage: this.api.deploymentStage });
    acknowledgeFindings(this.api, config);
  }

  metricServerErrors(): Metric {
    return this.api.deploymentStage.metricServerError({
      period: Duration.minutes(5),
      statistic: 'Sum',
    });
  }

  metricRequests(): Metric {
    return this.api.deploymentStage.metricCount({ period: Duration.minutes(5) });
  }

  #api(config: StageConfig): RestApi {
    const accessLog = new LogGroup(this, 'AccessLog', {
      retention: config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    return new RestApi(this, 'Api', {
      description: `Tollgate, ${config.stage}`,
      endpointTypes: [EndpointType.REGIONAL],
      // A second door without the domain's TLS policy would make that policy worth nothing.
      disableExecuteApiEndpoint: config.domain !== undefined,
      // One role an account and region; this is the only stack that sets it.
      cloudWatchRole: true,
      cloudWatchRoleRemovalPolicy: RemovalPolicy.RETAIN,
      deployOptions: {
        stageName: 'api',
        throttlingRateLimit: config.throttle.requestsPerSecond,
        throttlingBurstLimit: config.throttle.burst,
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: AccessLogFormat.custom(JSON.stringify(accessLogFields)),
        loggingLevel: MethodLoggingLevel.ERROR,
        // Would log prompts and answers.
        dataTraceEnabled: false,
        metricsEnabled: true,
      },
    });
  }

  #routes({ proxy, admin }: StreamingApiProps): void {
    const stream = this.#integration(proxy, ResponseTransferMode.STREAM, STREAM_TIMEOUT);
    const buffered = this.#integration(admin, ResponseTransferMode.BUFFERED, ADMIN_TIMEOUT);
    const { root } = this.api;
    const v1 = root.addResource('v1');
    v1.addResource('chat').addResource('completions').addMethod('POST', stream);
    v1.addResource('{proxy+}').addMethod('ANY', stream);
    root.addResource('health').addMethod('GET', stream);
    root.addResource('admin').addResource('v1').addResource('{proxy+}').addMethod('ANY', buffered);
  }

  /** One permission a function instead of two a method: a function's policy holds 20 KB. */
  #integration(
    alias: IFunction,
    responseTransferMode: ResponseTransferMode,
    timeout: Duration,
  ): LambdaIntegration {
    return new LambdaIntegration(alias, {
      responseTransferMode,
      timeout,
      scopePermissionToMethod: false,
    });
  }

  #domain(domain: NonNullable<StageConfig['domain']>): void {
    const domainName = this.api.addDomainName('Domain', {
      domainName: domain.name,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS13_1_3_2025_09,
      endpointAccessMode: EndpointAccessMode.STRICT,
    });
    new ARecord(this, 'Record', {
      zone: HostedZone.fromHostedZoneAttributes(this, 'Zone', {
        hostedZoneId: domain.hostedZone.id,
        zoneName: domain.hostedZone.name,
      }),
      recordName: `${domain.name}.`,
      target: RecordTarget.fromAlias(new ApiGatewayDomain(domainName)),
    });
  }
}

/** No header and no query string: they may carry keys. */
const accessLogFields = {
  requestId: '$context.requestId',
  time: '$context.requestTimeEpoch',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  route: '$context.resourcePath',
  status: '$context.status',
  responseBytes: '$context.responseLength',
  latencyMs: '$context.responseLatency',
  integrationLatencyMs: '$context.integrationLatency',
  integrationStatus: '$context.integrationStatus',
  error: '$context.error.responseType',
  waf: '$context.wafResponseCode',
};

function acknowledgeFindings(api: RestApi, config: StageConfig): void {
  acknowledge(api, {
    APIG2:
      'Bodies are validated by the function in the dialect of the caller, so that errors have the shape its SDK expects.',
    APIG4:
      'The virtual key is checked in the same conditional write that reserves its budget; an authorizer would add a hop and a stale cache.',
    COG4: 'Callers are programs with virtual keys, not users of a Cognito pool.',
    'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]':
      'The account-wide role of API Gateway; AWS prescribes this policy for it.',
    ...(config.waf
      ? {}
      : { APIG3: 'The firewall is a setting of the stage, and this stage leaves it off.' }),
  });
}
