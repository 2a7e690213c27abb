/** Functions written to a temporary folder, run by real environments, called through a real front. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import type { ApiDefinition, Route } from '../../local/front/api-definition.ts';
import { type Front, type FrontOptions, startFront } from '../../local/front.ts';
import type { FunctionDefinition } from '../../local/runtime/function-definition.ts';
import { FunctionPool } from '../../local/runtime/function-pool.ts';

export interface Harness {
  readonly dir: string;
  /** `source` is the function's index.mjs. */
  pool(source: string, overrides?: Partial<FunctionDefinition> & PoolSettings): FunctionPool;
  front(pool: FunctionPool, overrides?: FrontOverrides): Promise<Front>;
  close(): Promise<void>;
}

interface PoolSettings {
  readonly maxEnvironments?: number;
  readonly idleReapMs?: number;
}

interface FrontOverrides {
  readonly api?: Partial<ApiDefinition>;
  readonly route?: Partial<Route>;
  readonly streamIdleTimeoutMs?: number;
}

export function createHarness(): Harness {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-local-'));
  const closers: (() => Promise<void>)[] = [];
  let functions = 0;
  return {
    dir,
    pool(source, { maxEnvironments, idleReapMs, ...overrides } = {}) {
      functions += 1;
      const name = `function-${functions}`;
      const codeDir = join(dir, name);
      mkdirSync(codeDir);
      writeFileSync(join(codeDir, 'index.mjs'), source);
      const definition = {
        name,
        arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
        logName: name,
        codeDir,
        handler: 'index.handler',
        memoryMb: 512,
        timeoutMs: 20_000,
        env: { DIR: dir },
        ...overrides,
      };
      const pool = new FunctionPool(definition, {
        logsDir: join(dir, 'logs'),
        ...(maxEnvironments === undefined ? {} : { maxEnvironments }),
        ...(idleReapMs === undefined ? {} : { idleReapMs }),
      });
      closers.push(() => pool.close());
      return pool;
    },
    async front(pool, { api, route, streamIdleTimeoutMs } = {}) {
      const options: FrontOptions = {
        api: { ...defaultApi(pool, route), ...api },
        invoke: (_name, event) => pool.invoke(event),
        clock: systemClock,
        port: 0,
        ...(streamIdleTimeoutMs === undefined ? {} : { streamIdleTimeoutMs }),
      };
      const front = await startFront(options);
      closers.push(() => front.close());
      return front;
    },
    async close() {
      for (const close of closers.reverse()) await close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function defaultApi(pool: FunctionPool, route: Partial<Route> = {}): ApiDefinition {
  return {
    id: 'api',
    stage: 'test',
    accountId: '000000000000',
    binaryMediaTypes: [],
    gatewayResponses: {
      DEFAULT_5XX: {
        parameters: {},
        templates: { 'application/json': '{"error":{"code":"internal_error"}}' },
      },
    },
    routes: [
      {
        path: '/v1/{proxy+}',
        resourceId: 'proxy',
        method: 'ANY',
        functionName: pool.definition.name,
        streaming: true,
        timeoutMs: 20_000,
        ...route,
      },
    ],
  };
}

/** A streaming handler with `event`, `stream` and `sleep` in scope; `open()` gives the stream with a 200 prelude. */
export function streaming(body: string): string {
  return `import { appendFileSync } from 'node:fs';
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      const open = (statusCode = 200, headers = { 'content-type': 'text/event-stream' }) =>
        awslambda.HttpResponseStream.from(stream, { statusCode, headers });
      ${body}
    });`;
}

/** A buffered handler with `event`, `context` and `sleep` in scope. */
export function buffered(body: string): string {
  return `import { appendFileSync } from 'node:fs';
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export const handler = async (event, context) => { ${body} };`;
}
