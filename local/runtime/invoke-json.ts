import type { FunctionPool, PoolResult } from './function-pool.ts';

/** Invokes a function for its JSON answer, as event sources do; rejects when the function fails or is throttled. */
export async function invokeJson(pool: FunctionPool, event: unknown): Promise<unknown> {
  const result = await pool.invoke(event);
  const { name } = pool.definition;
  if (result.kind !== 'response') throw new Error(`${name}: ${describe(result)}`);
  let text = '';
  for await (const chunk of result.body.setEncoding('utf8')) text += chunk;
  return JSON.parse(text);
}

function describe(result: Exclude<PoolResult, { kind: 'response' }>): string {
  return result.kind === 'failed' ? `${result.reason}: ${result.message}` : result.kind;
}
