/** The simulated provider in a process of its own, so that its work is nobody else's. */
import * as z from 'zod';
import { startSimulatedProvider } from '../local/simulated-provider/simulated-provider.ts';
import { runChildServer } from './child-server.ts';

runChildServer(z.object({}), async () => (await startSimulatedProvider()).url);
