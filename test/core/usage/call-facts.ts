/** The facts of a call that nothing hangs on, for tests of what became of it. */
import type { CallFacts } from '../../../core/usage/build-event.ts';

export const callFacts: CallFacts = {
  requestId: 'r1',
  receivedAtMs: 1_000,
  caller: {
    key: {
      keyId: 'k1',
      tenantId: 'acme',
      teamId: 'search',
      projectId: 'web',
      owner: 'ann',
      pinnedTags: {},
      features: [],
      limits: {},
      createdAtMs: 0,
    },
    team: {
      id: 'search',
      tenantId: 'acme',
      tiers: ['shared'],
      limits: {},
      alertAtPercent: [],
      owner: 'ann',
    },
    policy: { version: 1, timeZone: 'UTC', providers: {}, models: {}, teams: {}, projects: [] },
  },
  tags: {
    feature: null,
    cost_center: null,
    customer_id: null,
    user_id: null,
    use_case: null,
    session_id: null,
    tags: null,
  },
  dialect: 'openai-chat',
  alias: 'gpt-5',
  tier: 'shared',
  stream: false,
  priority: 'normal',
};
