/** What the proxy's bundle has instead of `import ... from 'node:zlib'` (lib/lean-bundle.ts). */
export const { createBrotliDecompress, createGunzip, createInflate, gunzip, gzip } =
  process.getBuiltinModule('node:zlib');
