/** Every command of `tollgate`, in the order of its help. */
import type { Command } from './command.ts';
import { activity } from './commands/activity.ts';
import { apply } from './commands/apply.ts';
import { audit } from './commands/audit.ts';
import {
  keysCheck,
  keysCreate,
  keysList,
  keysResume,
  keysRevoke,
  keysRotate,
  keysShow,
  keysSuspend,
  keysUnused,
  teamsResume,
  teamsSuspend,
  tenantsResume,
  tenantsSuspend,
} from './commands/keys.ts';
import { limitsSet, limitsShow } from './commands/limits.ts';
import { login, whoami, whoamiRotate } from './commands/login.ts';
import { modelsList } from './commands/models.ts';
import {
  budgetReset,
  budgetTransfer,
  overrideApprove,
  overrideList,
  overrideReject,
  overrideRequest,
  overrideWithdraw,
} from './commands/overrides.ts';
import { plan } from './commands/plan.ts';
import { policyShow } from './commands/policy.ts';
import {
  principalsCreate,
  principalsList,
  principalsRevoke,
  principalsRotate,
} from './commands/principals.ts';
import { requestsShow } from './commands/requests.ts';
import { spend } from './commands/spend.ts';
import { tail } from './commands/tail.ts';

export const COMMANDS: readonly Command[] = [
  login,
  whoami,
  whoamiRotate,
  plan,
  apply,
  policyShow,
  modelsList,
  limitsShow,
  limitsSet,
  spend,
  activity,
  tail,
  requestsShow,
  keysCreate,
  keysList,
  keysShow,
  keysRotate,
  keysSuspend,
  keysResume,
  keysRevoke,
  keysUnused,
  keysCheck,
  teamsSuspend,
  teamsResume,
  tenantsSuspend,
  tenantsResume,
  overrideRequest,
  overrideApprove,
  overrideReject,
  overrideWithdraw,
  overrideList,
  budgetReset,
  budgetTransfer,
  principalsCreate,
  principalsList,
  principalsRotate,
  principalsRevoke,
  audit,
];
