/**
 * What several of the parts that are loaded late have in common, the rest of the start among them: little, so that files of
 * their own would cost more than all that is read before the policy is asked for (ADR 0035). A test says what is missing here.
 */
import '../../core/active-key.ts';
import '../../core/call-terms.ts';
import '../../core/dialects/allowances.ts';
import '../../core/dialects/compatibility.ts';
import '../../core/dialects/heard.ts';
import '../../core/dialects/joined.ts';
import '../../core/dialects/openai/chat-rules.ts';
import '../../core/dialects/openai/record.ts';
import '../../core/dialects/openai/text.ts';
import '../../core/dialects/openai/usage.ts';
import '../../core/dialects/repeats.ts';
import '../../core/dialects/request-body.ts';
import '../../core/dialects/written-body.ts';
import '../../core/dialects/sse.ts';
import '../../core/endpoints.ts';
import '../../core/limits/bound.ts';
import '../../core/limits/clamp.ts';
import '../../core/limits/posted.ts';
import '../../core/limits/reap.ts';
import '../../core/limits/refusal.ts';
import '../../core/limits/reserve.ts';
import '../../core/limits/settle.ts';
import '../../core/response.ts';
import '../../core/rollups/subjects.ts';
import '../../core/rollups/windows.ts';
import '../../core/routing/select-routes.ts';
import '../../core/tenancy/credential.ts';
import '../../core/tenancy/priority.ts';
import '../../core/tenancy/scopes-of.ts';
import '../../core/tenancy/tags.ts';
import '../../core/usage/cost.ts';
import '../../core/usage/event-values.ts';
import '../../core/usage/merge-usage.ts';
