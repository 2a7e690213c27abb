/** What the proxy needs to tell of its calls: where to, and the permissions for it. */
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { acknowledge } from '../acknowledge.ts';
import type { DataStack } from '../data-stack.ts';
import type { StageConfig } from '../stage-config.ts';
import type { GatewayFunction } from './gateway-function.ts';

/** As lambdas/proxy/watch.ts reads it. */
export function observationOf({ traces }: StageConfig, { traceStore }: DataStack): object {
  return {
    ...traces,
    ...(traceStore === undefined ? {} : { traceBucket: traceStore.bucket.bucketName }),
  };
}

export function grantObservation(
  proxy: GatewayFunction,
  { traces }: StageConfig,
  { traceStore }: DataStack,
): void {
  if (traceStore !== undefined) proxy.role.addManagedPolicy(traceStore.writingPolicy);
  if (traces?.xray === true) grantXray(proxy);
  const secret = traces?.otlp?.headersSecret;
  if (secret !== undefined)
    Secret.fromSecretNameV2(proxy, 'CollectorHeaders', secret).grantRead(proxy);
}

function grantXray({ role }: GatewayFunction): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['xray:PutSpans', 'xray:PutSpansForIndexing', 'xray:PutTraceSegments'],
      resources: ['*'],
    }),
  );
  acknowledge(role, {
    'IAM5[Resource::*]': 'Spans have no resource: X-Ray knows these actions for everything only.',
  });
}
