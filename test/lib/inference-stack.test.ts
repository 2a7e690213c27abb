import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { INFERENCE_PATHS } from '../../lib/constructs/vllm-service.ts';
import { INFERENCE, resources, synthesize } from './synthesized.ts';

const { inference, gateway } = synthesize(INFERENCE);
if (inference === undefined) throw new Error('the stage has no inference stack');

describe('inference stack', () => {
  it('is absent by default', () => {
    expect(synthesize().inference).toBeUndefined();
  });

  it('forwards the inference paths and nothing else', () => {
    const ruleSchema = z.object({
      Actions: z.array(z.object({ Type: z.literal('forward') })),
      Conditions: z.tuple([
        z.object({
          Field: z.literal('path-pattern'),
          PathPatternConfig: z.object({ Values: z.array(z.string()).max(5) }),
        }),
      ]),
    });
    const rules = [...resources(inference, 'AWS::ElasticLoadBalancingV2::ListenerRule').values()];
    const paths = rules.flatMap(
      ({ Properties }) => ruleSchema.parse(Properties).Conditions[0].PathPatternConfig.Values,
    );
    expect(paths.sort()).toEqual([...INFERENCE_PATHS].sort());
    for (const path of paths) expect(path).toMatch(/^\/(v1\/[a-z/]+|health)$/);
    inference.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
      DefaultActions: [
        Match.objectLike({
          Type: 'fixed-response',
          FixedResponseConfig: Match.objectLike({ StatusCode: '404' }),
        }),
      ],
    });
  });

  it('is reachable from inside only, by the proxy only', () => {
    inference.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', {
      Scheme: 'internal',
    });
    const groups = JSON.stringify(
      [...resources(inference, 'AWS::EC2::SecurityGroup').values()].map(
        ({ Properties }) => Properties['SecurityGroupIngress'] ?? [],
      ),
    );
    expect(groups).not.toContain('0.0.0.0/0');
    inference.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      SourceSecurityGroupId: {
        'Fn::GetAtt': [Match.stringLikeRegexp('NetworkCallers'), 'GroupId'],
      },
      FromPort: 8000,
      ToPort: 8000,
    });
  });

  it('carries a stream for as long as API Gateway does', () => {
    inference.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', {
      LoadBalancerAttributes: Match.arrayWith([
        { Key: 'idle_timeout.timeout_seconds', Value: '900' },
      ]),
    });
    inference.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      TargetGroupAttributes: Match.arrayWith([
        { Key: 'deregistration_delay.timeout_seconds', Value: '900' },
      ]),
    });
  });

  it('runs the model of the stage on GPU instances', () => {
    inference.hasResourceProperties('AWS::ECS::Service', { DesiredCount: 2 });
    inference.hasResourceProperties('AWS::ECS::TaskDefinition', {
      RequiresCompatibilities: ['MANAGED_INSTANCES'],
      ContainerDefinitions: [
        Match.objectLike({
          Command: Match.arrayWith(['--model', 'Qwen/Qwen3-8B', '--scheduling-policy', 'priority']),
          ResourceRequirements: [{ Type: 'GPU', Value: '1' }],
        }),
      ],
    });
    const [task] = resources(inference, 'AWS::ECS::TaskDefinition').values();
    expect(JSON.stringify(task)).not.toContain('VLLM_SERVER_DEV_MODE');
  });

  it('puts the proxy, and no other function, into its network', () => {
    gateway.resourcePropertiesCountIs('AWS::Lambda::Function', { VpcConfig: Match.anyValue() }, 1);
    gateway.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 900,
      VpcConfig: Match.anyValue(),
    });
  });
});
