/** All stacks of one stage. The same function serves `cdk`, `npm run synth`, the local runner and the tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, type Environment, type Stack, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import * as z from 'zod';
import { DataStack } from './data-stack.ts';
import { GatewayStack } from './gateway-stack.ts';
import { InferenceStack } from './inference-stack.ts';
import { projectRoot } from './project-root.ts';
import type { StageConfig } from './stage-config.ts';

export interface TollgateAppOptions {
  readonly config: StageConfig;
  readonly outputFolder: string;
  /** Runs cdk-nag's AwsSolutions rules, of which a finding that is not acknowledged fails synth, and CDK's own checks. */
  readonly checkRules: boolean;
  readonly context?: Readonly<Record<string, unknown>>;
}

export function createTollgateApp(options: TollgateAppOptions): App {
  const { config } = options;
  const app = new App({
    outdir: options.outputFolder,
    analyticsReporting: false,
    builtinCloudFormationValidation: options.checkRules,
    context: { ...readCdkContext(), ...options.context },
  });
  const name = (stack: string) => `tollgate-${config.stage}-${stack}`;
  const env: Environment = {
    region: config.region,
    ...(config.account === undefined ? {} : { account: config.account }),
  };
  const protection = { env, terminationProtection: config.removalProtection };

  const data = new DataStack(app, name('data'), { ...protection, config });
  const inference = config.inference.enabled
    ? new InferenceStack(app, name('inference'), { env, config, inference: config.inference })
    : undefined;
  const gateway = new GatewayStack(app, name('gateway'), { env, config, data, inference });
  for (const stack of [data, inference, gateway]) if (stack !== undefined) quietLinter(stack);

  tag(app, { application: 'tollgate', stage: config.stage });
  if (options.checkRules) Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}

/** CDK would tag these, and cfn-lint's schema of them has no tags yet. */
const untagged = [
  'AWS::CloudWatch::Dashboard',
  'AWS::ElasticLoadBalancingV2::Listener',
  'AWS::ElasticLoadBalancingV2::ListenerRule',
];

/** CDK repeats as DependsOn what a reference already says, which cfn-lint calls a warning. */
function quietLinter(stack: Stack): void {
  stack.templateOptions.metadata = { 'cfn-lint': { config: { ignore_checks: ['W3005'] } } };
}

function tag(app: App, tags: Readonly<Record<string, string>>): void {
  const options = { excludeResourceTypes: untagged };
  for (const [key, value] of Object.entries(tags)) Tags.of(app).add(key, value, options);
}

/** The feature flags. Only the CDK CLI reads cdk.json by itself; without this, synth without the CLI would differ. */
function readCdkContext(): Record<string, unknown> {
  const text = readFileSync(join(projectRoot, 'cdk.json'), 'utf8');
  return cdkJsonSchema.parse(JSON.parse(text)).context;
}

const cdkJsonSchema = z.object({ context: z.record(z.string(), z.unknown()) });
