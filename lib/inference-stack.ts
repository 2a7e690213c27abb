/** Our own models: vLLM on GPU instances inside a private network. It costs by the hour, called or not, hence off by default. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Network } from './constructs/network.ts';
import { VllmService } from './constructs/vllm-service.ts';
import type { InferenceSettings, StageConfig } from './stage-config.ts';

export interface InferenceStackProps extends StackProps {
  readonly config: StageConfig;
  readonly inference: InferenceSettings;
}

export class InferenceStack extends Stack {
  readonly network: Network;

  constructor(scope: Construct, id: string, props: InferenceStackProps) {
    super(scope, id, props);
    const { logRetentionDays } = props.config;
    this.network = new Network(this, 'Network', { logRetentionDays });
    const service = new VllmService(this, 'Vllm', {
      network: this.network,
      settings: props.inference,
      logRetentionDays,
    });
    new CfnOutput(this, 'BaseUrl', {
      value: service.baseUrl,
      description: 'base_url of the vllm provider in the policy file',
    });
  }
}
