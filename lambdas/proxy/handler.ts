/**
 * The proxy function. At its start a function has all the CPU, so that the first call finds a connection to DynamoDB and the policy;
 * and, loaded while that is on its way, what answers calls, and what reads the calls that most callers make. What is
 * asked with stands in a file on which parts that are loaded later may wait: on this one they cannot.
 */
import { parserOf } from '../../core/endpoints.ts';
import { askForPolicy } from './ask-for-policy.ts';

const asked = askForPolicy();
const [{ start }] = await Promise.all([import('./start.ts'), parserOf('/v1/chat/completions')?.()]);

export const handler = await start(asked);
