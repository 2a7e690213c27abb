/**
 * The proxy function. At its start a function has all the CPU, so that the first call finds a connection to DynamoDB and the policy;
 * and, loaded while that is on its way, what reads the calls that most callers make, and what answers them. What is
 * asked with stands in a file on which parts that are loaded later may wait: on this one they cannot.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parserOf } from '../../core/endpoints.ts';
import { askForPolicy } from './ask-for-policy.ts';

const asked = askForPolicy();
// Node hears nothing of the network while it loads a file. In the turns between, the connection is made, encrypted and written to.
await nextTurn();
await parserOf('/v1/chat/completions')?.();
await nextTurn();
const { start } = await import('./start.ts');
await nextTurn();

export const handler = await start(asked);
