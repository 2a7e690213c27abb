/**
 * What the proxy's bundle has instead of `import ... from 'node:zlib'` (lib/lean-bundle.ts). The module is loaded by the first
 * use: that takes 2 ms, and a start has something to unpack only when its policy has come (ADR 0035).
 */
type Zlib = typeof import('node:zlib');

const zlib = (): Zlib => process.getBuiltinModule('node:zlib');

export const createBrotliDecompress: Zlib['createBrotliDecompress'] = (options) =>
  zlib().createBrotliDecompress(options);
export const createGunzip: Zlib['createGunzip'] = (options) => zlib().createGunzip(options);
export const createInflate: Zlib['createInflate'] = (options) => zlib().createInflate(options);
export const gunzip = (...given: Parameters<Zlib['gunzip']>): void => zlib().gunzip(...given);
export const gzip = (...given: Parameters<Zlib['gzip']>): void => zlib().gzip(...given);
