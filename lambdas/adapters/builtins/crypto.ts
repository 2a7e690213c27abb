/** What the proxy's bundle has instead of `import ... from 'node:crypto'` (lib/lean-bundle.ts). */
export const {
  constants,
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  hash,
  randomBytes,
  randomInt,
  verify,
} = process.getBuiltinModule('node:crypto');
