/** What the proxy's bundle has instead of `import ... from 'node:stream'` (lib/lean-bundle.ts). */
export const { finished, pipeline } = process.getBuiltinModule('node:stream');
