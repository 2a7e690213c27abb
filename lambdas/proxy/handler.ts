/** The proxy function. What it is made of stands in start.ts, on which parts that are loaded later may wait: on this file they cannot. */
import { start } from './start.ts';

export const handler = await start();
