/**
 * Who governs: the five roles, and the one question that every change and every look has to pass. A role reaches
 * downwards only: nobody grants, raises or opens what it does not have itself. Decides from values; knows no keys.
 */

export const ROLES = ['platform-admin', 'tenant-admin', 'team-lead', 'finance', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** Somebody who has shown a credential of the admin API. */
export interface Principal {
  /** Stable; what the audit log and the rule of the second person go by. */
  readonly id: string;
  /** As people know it, such as an e-mail address. */
  readonly name: string;
  readonly role: Role;
  /** Of tenant admins and team leads, and of finance and auditors of one tenant; absent: all tenants. */
  readonly tenantId?: string;
  /** Of team leads. */
  readonly teamId?: string;
}

/** What an operation touches. Nothing given: the whole deployment. */
export interface Target {
  readonly tenantId?: string;
  readonly teamId?: string;
}
