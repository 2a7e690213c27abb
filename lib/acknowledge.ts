import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Accepts cdk-nag findings on one construct, each with its reason. `rules` maps a finding, such as `APIG4` or
 * `IAM5[Action::kms:ReEncrypt*]`, to why it is right here.
 */
export function acknowledge(construct: IConstruct, rules: Readonly<Record<string, string>>): void {
  const acknowledgments = Object.entries(rules).map(([rule, reason]) => ({
    id: `AwsSolutions-${rule}`,
    reason,
  }));
  Validations.of(construct).acknowledge(...acknowledgments);
}
