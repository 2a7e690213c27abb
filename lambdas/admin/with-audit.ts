import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { AuditRecord } from '../../core/governance/audit.ts';
import type { AuditLog } from '../adapters/audit-log.ts';

/** Makes a change and its record in one transaction, which `write` sends; shipped when it says that it was applied. */
export async function withAudit(
  log: Pick<AuditLog, 'item' | 'ship'>,
  record: AuditRecord,
  write: (item: TransactWriteItem) => Promise<boolean>,
): Promise<boolean> {
  const isApplied = await write(log.item(record));
  if (isApplied) await log.ship(record);
  return isApplied;
}
