import { defineConfig } from 'vitest/config';

/** What the mutation run asks: the pure tests of limits and money, nothing that starts a process. */
export default defineConfig({
  test: {
    include: ['test/core/{limits,usage}/**/*.test.ts', 'test/core/money.test.ts'],
    // It starts a provider, which is too slow to do for every mutant.
    exclude: ['test/core/limits/levels.test.ts'],
    testTimeout: 30_000,
  },
});
