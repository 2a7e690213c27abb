/** What the proxy's bundle has instead of `import ... from 'node:util'` (lib/lean-bundle.ts). */
export const { promisify } = process.getBuiltinModule('node:util');
