import { startChildServer } from '../child-server.ts';
import type { Start } from './target.ts';

export const barePipe: Start = async ({ providerUrl }) => {
  const module = import.meta.resolve('./bare-pipe-process.ts');
  const { url, pid, stop } = await startChildServer(module, { providerUrl });
  return { endpoint: { url }, pids: () => [pid], stop };
};
