import { ArnFormat, Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { BedrockSettings } from '../stage-config.ts';

/** Converse and ConverseStream have no actions of their own. */
const ACTIONS = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'];

/** Inference profiles of AWS's own are named after their geography and the model. */
const GEOGRAPHIC = /^(us|us-gov|eu|apac|jp|au|ca|sa|mx|in|global)\.(.+)$/;
const APPLICATION_PROFILE = ':application-inference-profile/';

/**
 * Lets the grantee call exactly these models. A profile hands a call on to its model in any region of its
 * geography, so the model is allowed there too, but only by way of the profile.
 * Source: Amazon Bedrock user guide, "Geographic cross-Region inference" and "Global cross-Region inference".
 */
export function grantBedrock(
  grantee: IGrantable & IConstruct,
  { regions, models }: BedrockSettings,
): void {
  const stack = Stack.of(grantee);
  for (const region of regions ?? [stack.region]) {
    for (const model of models) {
      for (const statement of statementsFor(model, { stack, region })) {
        grantee.grantPrincipal.addToPrincipalPolicy(statement);
        acknowledgeAnyRegion(grantee, statement);
      }
    }
  }
}

function acknowledgeAnyRegion(grantee: IConstruct, { resources }: PolicyStatement): void {
  for (const resource of resources) {
    const arn = resource.replaceAll(/\$\{Token\[AWS\.Partition\.\d+\]\}/g, '<AWS::Partition>');
    if (!arn.includes('*')) continue;
    acknowledge(grantee, {
      [`IAM5[Resource::${arn}]`]:
        'The profile chooses the region, and AWS adds regions to profiles; only a call through the profile is allowed.',
    });
  }
}

interface Place {
  readonly stack: Stack;
  readonly region: string;
}

function statementsFor(model: string, place: Place): PolicyStatement[] {
  if (model.startsWith('arn:')) {
    // What an application's own profile stands for is not in its name.
    return model.includes(APPLICATION_PROFILE)
      ? byProfile(model, '*', place)
      : [new PolicyStatement({ actions: ACTIONS, resources: [model] })];
  }
  const [, , profiled] = GEOGRAPHIC.exec(model) ?? [];
  if (profiled !== undefined) return byProfile(profileArn(model, place), profiled, place);
  return [new PolicyStatement({ actions: ACTIONS, resources: [modelArn(model, place)] })];
}

function byProfile(profile: string, model: string, place: Place): PolicyStatement[] {
  return [
    new PolicyStatement({ actions: ACTIONS, resources: [profile] }),
    new PolicyStatement({
      actions: ACTIONS,
      resources: [modelArn(model, { ...place, region: '*' })],
      conditions: { StringEquals: { 'bedrock:InferenceProfileArn': profile } },
    }),
  ];
}

function profileArn(profile: string, { stack, region }: Place): string {
  return stack.formatArn({
    service: 'bedrock',
    region,
    resource: 'inference-profile',
    resourceName: profile,
  });
}

/** Models belong to no account. */
function modelArn(model: string, { stack, region }: Place): string {
  return stack.formatArn({
    service: 'bedrock',
    region,
    account: '',
    resource: 'foundation-model',
    resourceName: model,
    arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
  });
}
