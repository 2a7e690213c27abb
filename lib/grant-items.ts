import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';

/** Actions on a table's items and on nothing else: `table.grant` would open every index that the table ever gets. */
export function grantItems(table: TableV2, grantee: IGrantable, ...actions: string[]): void {
  Grant.addToPrincipal({ grantee, actions, resourceArns: [table.tableArn] });
}

/** Looking things up in one index. */
export function grantQuery(table: TableV2, grantee: IGrantable, index: string): void {
  Grant.addToPrincipal({
    grantee,
    actions: ['dynamodb:Query'],
    resourceArns: [`${table.tableArn}/index/${index}`],
  });
}
