import { defineConfig } from 'vitest/config';

/** What the mutation run asks: the pure tests of limits and money, nothing that starts a process. */
export default defineConfig({
  test: {
    include: ['test/core/{limits,usage}/**/*.test.ts', 'test/core/money.test.ts'],
    // They start a provider or play hundreds of races, which is too slow to do for every mutant.
    exclude: ['levels', 'outage', 'shards', 'shard-races', 'leases'].map(
      (name) => `test/core/limits/${name}.test.ts`,
    ),
    testTimeout: 30_000,
  },
});
