/**
 * What a gateway for AWS usually begins with, in one bundle that does nothing with it: three clients of the SDK with the commands
 * of a call, a logger, middleware, zod's usual import and undici. What the proxy's module load is compared with.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What is exported cannot be shaken out. */
const SOURCE = `
export { DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
export { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
export { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
export { Logger } from '@aws-lambda-powertools/logger';
export { default as middy } from '@middy/core';
export * as z from 'zod';
export { request } from 'undici';
`;
/** Some of it is CommonJS and asks for Node's own modules. */
const REQUIRE =
  "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

/** Built as the proxy is: minified, for Node, one ES module. */
export async function fullStack(folder: string): Promise<{ file: string; bytes: number }> {
  const file = join(folder, 'full-stack.mjs');
  await build({
    stdin: { contents: SOURCE, resolveDir: join(import.meta.dirname, '..') },
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    outfile: file,
  });
  return { file, bytes: readFileSync(file).length };
}
