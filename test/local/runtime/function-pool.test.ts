import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionPool } from '../../../local/runtime/function-pool.ts';
import { invokeJson } from '../../../local/runtime/invoke-json.ts';
import { buffered, createHarness, type Harness } from '../harness.ts';

let harness: Harness;
beforeAll(() => {
  harness = createHarness();
});
afterAll(() => harness.close());

const COUNTING = `let calls = 0; let open = 0; let most = 0;
  export const handler = async (event) => {
    calls += 1; open += 1; most = Math.max(most, open);
    await new Promise((resolve) => setTimeout(resolve, event.ms ?? 0));
    open -= 1;
    return { pid: process.pid, calls, most };
  };`;

interface Count {
  readonly pid: number;
  readonly calls: number;
  readonly most: number;
}

async function count(pool: FunctionPool, ms = 0): Promise<Count> {
  return Object.assign({ pid: 0, calls: 0, most: 0 }, await invokeJson(pool, { ms }));
}

describe('environments', () => {
  it('keeps module state within an environment and reuses a warm one', async () => {
    const pool = harness.pool(COUNTING);
    const [first, second] = [await count(pool), await count(pool)];
    expect(second).toEqual({ pid: first.pid, calls: 2, most: 1 });
    expect(pool.environments()).toBe(1);
  });

  it('serves one request at a time in each environment and scales to the calls that wait', async () => {
    const pool = harness.pool(COUNTING);
    const results = await Promise.all(Array.from({ length: 6 }, () => count(pool, 400)));
    expect(Math.max(...results.map(({ most }) => most))).toBe(1);
    expect(new Set(results.map(({ pid }) => pid)).size).toBeGreaterThan(1);
  });

  it('queues what is above the limit of environments', async () => {
    const pool = harness.pool(COUNTING, { maxEnvironments: 2 });
    const results = await Promise.all(Array.from({ length: 8 }, () => count(pool, 30)));
    expect(results).toHaveLength(8);
    expect(new Set(results.map(({ pid }) => pid)).size).toBeLessThanOrEqual(2);
  });

  it('throttles above the reserved concurrency', async () => {
    const pool = harness.pool(COUNTING, { reservedConcurrency: 1 });
    const running = count(pool, 300);
    expect(await pool.invoke({})).toEqual({ kind: 'throttled' });
    await running;
    expect(await count(pool)).toMatchObject({ calls: 2 });
  });

  it('ends environments that have been idle for long', async () => {
    const pool = harness.pool(COUNTING, { idleReapMs: 200 });
    const { pid } = await count(pool);
    await expect.poll(() => pool.environments(), { timeout: 5_000 }).toBe(0);
    expect((await count(pool)).pid).not.toBe(pid);
  });
});

describe('failures', () => {
  it('reports what the handler throws, and keeps the environment', async () => {
    const pool = harness.pool(
      buffered("if (event.fail) throw new TypeError('no good'); return process.pid;"),
    );
    const pid = await invokeJson(pool, {});
    expect(await pool.invoke({ fail: true })).toMatchObject({
      kind: 'failed',
      reason: 'error',
      message: expect.stringContaining('"errorMessage":"no good"'),
    });
    expect(await invokeJson(pool, {})).toBe(pid);
  });

  it('answers a crash as a failure and takes a new environment next time', async () => {
    const pool = harness.pool(buffered('if (event.crash) process.exit(3); return process.pid;'));
    const pid = await invokeJson(pool, {});
    expect(await pool.invoke({ crash: true })).toMatchObject({ kind: 'failed', reason: 'crash' });
    expect(await invokeJson(pool, {})).not.toBe(pid);
  });

  it('kills an environment at the function timeout', async () => {
    const pool = harness.pool(buffered('await sleep(event.ms); return 1;'), { timeoutMs: 600 });
    expect(await invokeJson(pool, { ms: 0 })).toBe(1);
    expect(await pool.invoke({ ms: 60_000 })).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect(await invokeJson(pool, { ms: 0 })).toBe(1);
    expect(logOf(pool)).toContain('Task timed out after 0.60 seconds');
  });

  it('fails the waiting call, not the pool, when the function cannot be loaded', async () => {
    const pool = harness.pool(
      "throw new Error('bad start'); export const handler = async () => 1;",
    );
    expect(await pool.invoke({})).toMatchObject({
      kind: 'failed',
      reason: 'init',
      message: expect.stringContaining('bad start'),
    });
    expect(pool.environments()).toBe(0);
  });

  it('refuses handlers that take a callback, as the Node 24 runtime does', async () => {
    const pool = harness.pool(
      'export const handler = (event, context, callback) => callback(null, 1);',
    );
    expect(await pool.invoke({})).toMatchObject({
      reason: 'init',
      message: expect.stringContaining('callback'),
    });
  });

  it('refuses an event above 6 MB', async () => {
    const pool = harness.pool(buffered('return event.text.length;'));
    expect(await invokeJson(pool, { text: 'x'.repeat(5_000_000) })).toBe(5_000_000);
    expect(await pool.invoke({ text: 'x'.repeat(7_000_000) })).toEqual({ kind: 'too-large' });
  });
});

describe('what a function finds', () => {
  it("gets the runtime's variables and context, and nothing of the developer's environment", async () => {
    process.env['A_SECRET_OF_THE_DEVELOPER'] = 'x';
    const pool = harness.pool(
      buffered(
        'return { env: process.env, context, remaining: context.getRemainingTimeInMillis(), cwd: process.cwd() };',
      ),
      { env: { MINE: '1' }, timeoutMs: 5_000 },
    );
    const { definition } = pool;
    const found = await invokeJson(pool, {});
    expect(found).toMatchObject({
      env: {
        MINE: '1',
        AWS_LAMBDA_FUNCTION_NAME: definition.name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
        LAMBDA_TASK_ROOT: definition.codeDir,
        _HANDLER: 'index.handler',
      },
      context: {
        functionName: definition.name,
        invokedFunctionArn: definition.arn,
        awsRequestId: expect.any(String),
      },
      cwd: definition.codeDir,
    });
    expect(found).not.toHaveProperty('env.A_SECRET_OF_THE_DEVELOPER');
    expect(found).toHaveProperty(
      'remaining',
      expect.toSatisfy((ms) => ms > 3_000 && ms <= 5_000),
    );
  });

  it('logs to a file of its own, each line with its time and request', async () => {
    const pool = harness.pool(
      buffered(
        "console.log('hello %s', 'log'); process.stdout.write('raw\\n'); return context.awsRequestId;",
      ),
    );
    const requestId = await invokeJson(pool, {});
    expect(logOf(pool)).toMatch(
      new RegExp(
        `^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\t${String(requestId)}\\tINFO\\thello log\nraw\n`,
      ),
    );
  });
});

it('leaves no process behind when it closes', async () => {
  const pool = harness.pool(COUNTING);
  const { pid } = await count(pool);
  await pool.close();
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(await pool.invoke({})).toEqual({ kind: 'throttled' });
});

it('lets a call in flight finish before it closes', async () => {
  const pool = harness.pool(
    buffered("appendFileSync(process.env.DIR + '/started', 'x'); await sleep(300); return 1;"),
  );
  const running = invokeJson(pool, {});
  await expect.poll(() => existsSync(join(harness.dir, 'started')), { timeout: 10_000 }).toBe(true);
  await pool.close();
  expect(await running).toBe(1);
});

function logOf(pool: FunctionPool): string {
  return readFileSync(join(harness.dir, 'logs', `${pool.definition.logName}.log`), 'utf8');
}
