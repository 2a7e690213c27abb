import type { Stage } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';

export interface FirewallProps {
  readonly stage: Stage;
}

/** AWS's managed rules. Those that read bodies only count: prompts are long and full of code, SQL and markup. */
export class Firewall extends Construct {
  constructor(scope: Construct, id: string, props: FirewallProps) {
    super(scope, id);
    const acl = new CfnWebACL(this, 'Acl', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility('Acl'),
      rules: [...managedRules(), floodRule(managedGroups.length)],
    });
    const association = new CfnWebACLAssociation(this, 'Association', {
      resourceArn: props.stage.stageArn,
      webAclArn: acl.attrArn,
    });
    association.node.addDependency(props.stage);
  }
}

/** Requests of one address in five minutes. Companies call from few addresses, so this stops floods, not users. */
const FLOOD_LIMIT = 100_000;

const managedGroups = [
  {
    name: 'AWSManagedRulesCommonRuleSet',
    onlyCount: [
      'SizeRestrictions_BODY',
      'CrossSiteScripting_BODY',
      'GenericLFI_BODY',
      'GenericRFI_BODY',
      'EC2MetaDataSSRF_BODY',
    ],
  },
  {
    name: 'AWSManagedRulesKnownBadInputsRuleSet',
    onlyCount: ['JavaDeserializationRCE_BODY', 'Log4JRCE_BODY', 'ReactJSRCE_BODY'],
  },
  { name: 'AWSManagedRulesAmazonIpReputationList', onlyCount: [] },
] as const;

function managedRules(): CfnWebACL.RuleProperty[] {
  return managedGroups.map((group, priority) => ({
    name: group.name,
    priority,
    overrideAction: { none: {} },
    visibilityConfig: visibility(group.name),
    statement: {
      managedRuleGroupStatement: {
        vendorName: 'AWS',
        name: group.name,
        ruleActionOverrides: group.onlyCount.map((name) => ({ name, actionToUse: { count: {} } })),
      },
    },
  }));
}

function floodRule(priority: number): CfnWebACL.RuleProperty {
  return {
    name: 'Flood',
    priority,
    action: { block: {} },
    visibilityConfig: visibility('Flood'),
    statement: { rateBasedStatement: { limit: FLOOD_LIMIT, aggregateKeyType: 'IP' } },
  };
}

function visibility(metricName: string): CfnWebACL.VisibilityConfigProperty {
  return { metricName, cloudWatchMetricsEnabled: true, sampledRequestsEnabled: false };
}
