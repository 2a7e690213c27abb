/** What the proxy's bundle has instead of `import ... from 'node:timers/promises'` (lib/lean-bundle.ts). */
export const { setImmediate, setTimeout } = process.getBuiltinModule('node:timers/promises');
