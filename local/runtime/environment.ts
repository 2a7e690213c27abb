/**
 * One execution environment: a process that runs bootstrap.ts, and the Lambda Runtime API it talks to, on a port of its
 * own (as in the cloud, where each environment sees its own API). It serves one invocation at a time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { FunctionDefinition } from './function-definition.ts';

const BOOTSTRAP = join(import.meta.dirname, 'bootstrap.ts');
const ROUTE =
  /^\/2018-06-01\/runtime\/(?:invocation\/(?:(next)|([\w-]+)\/(response|error))|(init)\/error)$/;
/** Lambda allows 10 s; a busy laptop gets more. */
const INIT_TIMEOUT_MS = 30_000;
const MAX_ERROR_BYTES = 256 * 1024;

export type InvocationResult =
  | {
      readonly kind: 'response';
      readonly streaming: boolean;
      readonly contentType: string;
      readonly body: IncomingMessage;
    }
  | {
      readonly kind: 'failed';
      readonly reason: 'error' | 'crash' | 'timeout' | 'init';
      readonly message: string;
    };

interface CurrentInvocation {
  readonly requestId: string;
  readonly settle: (result: InvocationResult) => void;
  readonly timer: NodeJS.Timeout;
}

export interface EnvironmentOptions {
  readonly definition: FunctionDefinition;
  readonly logFile: string;
  /** Called each time the function asks for work. */
  readonly onIdle: (environment: Environment) => void;
  /** Called once, when the process has ended for whatever reason. */
  readonly onEnd: (environment: Environment, initFailure: string | undefined) => void;
}

export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #server: Server;
  #child: ChildProcess | undefined;
  #parked: ServerResponse | undefined;
  #current: CurrentInvocation | undefined;
  #initTimer: NodeJS.Timeout | undefined;
  #initError: string | undefined;
  #initialised = false;
  #stopped = false;
  #endReason: 'crash' | 'timeout' = 'crash';

  constructor(options: EnvironmentOptions) {
    this.#options = options;
    this.#server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (req, res) =>
      this.#route(req, res),
    );
    this.#server.once('error', (error) => this.#end(error.message));
    this.#server.listen(0, '127.0.0.1', () => this.#spawn());
  }

  /** The environment must be idle. */
  invoke(event: Buffer): Promise<InvocationResult> {
    const parked = this.#parked;
    if (parked === undefined) throw new Error('invoked an environment that is not idle');
    this.#parked = undefined;
    const { definition } = this.#options;
    const requestId = randomUUID();
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#timeOut(requestId), definition.timeoutMs);
      this.#current = { requestId, settle, timer };
      parked.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': event.length,
        'Lambda-Runtime-Aws-Request-Id': requestId,
        'Lambda-Runtime-Deadline-Ms': Date.now() + definition.timeoutMs,
        'Lambda-Runtime-Invoked-Function-Arn': definition.arn,
        'Lambda-Runtime-Trace-Id': `Root=1-${requestId.slice(0, 8)}-${requestId.replaceAll('-', '').slice(8)}`,
      });
      parked.end(event);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  #spawn(): void {
    const address = this.#server.address();
    if (this.#stopped || address === null || typeof address === 'string') {
      this.#end('stopped');
      return;
    }
    const log = openSync(this.#options.logFile, 'a');
    const { definition } = this.#options;
    this.#child = spawn(
      process.execPath,
      [`--max-old-space-size=${definition.memoryMb}`, BOOTSTRAP],
      {
        cwd: definition.codeDir,
        env: environmentVariables(definition, `127.0.0.1:${address.port}`),
        stdio: ['pipe', log, log],
        // A group of its own: Ctrl-C in the terminal reaches only the process that stops the others in order.
        detached: true,
      },
    );
    closeSync(log);
    this.#child.once('error', (error) => this.#end(error.message));
    this.#child.once('exit', () => this.#end(undefined));
    this.#initTimer = setTimeout(
      () => this.#failInit('initialisation took too long'),
      INIT_TIMEOUT_MS,
    );
  }

  #route(req: IncomingMessage, res: ServerResponse): void {
    const [, next, requestId, kind, init] = ROUTE.exec(req.url ?? '') ?? [];
    if (next !== undefined && req.method === 'GET') this.#takeNext(res);
    else if (init !== undefined) void this.#takeInitError(req, res);
    else if (requestId === undefined || requestId !== this.#current?.requestId) refuse(req, res);
    else if (kind === 'response') this.#takeResponse(req, res);
    else void this.#takeError(req, res);
  }

  #takeNext(res: ServerResponse): void {
    this.#initialised = true;
    clearTimeout(this.#initTimer);
    this.#finish({ kind: 'failed', reason: 'error', message: 'the function answered nothing' });
    this.#parked = res;
    this.#options.onIdle(this);
  }

  #takeResponse(req: IncomingMessage, res: ServerResponse): void {
    req.once('end', () => res.writeHead(202).end());
    this.#current?.settle({
      kind: 'response',
      streaming: req.headers['lambda-runtime-function-response-mode'] === 'streaming',
      contentType: req.headers['content-type'] ?? '',
      body: req,
    });
  }

  async #takeError(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const message = await readBounded(req);
    this.#current?.settle({ kind: 'failed', reason: 'error', message });
    res.writeHead(202).end();
  }

  async #takeInitError(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.#initError = await readBounded(req);
    res.writeHead(202).end();
  }

  #timeOut(requestId: string): void {
    const seconds = (this.#options.definition.timeoutMs / 1000).toFixed(2);
    this.#log(`${requestId} Task timed out after ${seconds} seconds`);
    this.#endReason = 'timeout';
    this.#child?.kill('SIGKILL');
  }

  #failInit(message: string): void {
    this.#initError = message;
    this.#child?.kill('SIGKILL');
  }

  #end(spawnError: string | undefined): void {
    clearTimeout(this.#initTimer);
    this.#parked = undefined;
    if (this.#current !== undefined && !this.#stopped)
      this.#log(`${this.#current.requestId} the environment ended: ${this.#endReason}`);
    this.#finish({
      kind: 'failed',
      reason: this.#endReason,
      message: `the environment ended: ${this.#endReason}`,
    });
    this.#server.closeAllConnections();
    this.#server.close();
    const reason =
      spawnError ?? this.#initError ?? 'the environment ended before it was ready; see its log';
    this.#options.onEnd(this, this.#initialised ? undefined : reason);
  }

  /** A result that was given already stays as it is: a promise settles once. */
  #finish(result: InvocationResult): void {
    clearTimeout(this.#current?.timer);
    this.#current?.settle(result);
    this.#current = undefined;
  }

  #log(line: string): void {
    appendFileSync(this.#options.logFile, `${new Date().toISOString()} ${line}\n`);
  }
}

/** Nothing of the developer's own environment leaks in, except what a process needs to start and to trust certificates. */
function environmentVariables(
  definition: FunctionDefinition,
  runtimeApi: string,
): NodeJS.ProcessEnv {
  const { PATH, NODE_EXTRA_CA_CERTS } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(NODE_EXTRA_CA_CERTS === undefined ? {} : { NODE_EXTRA_CA_CERTS }),
    TZ: ':UTC',
    ...definition.env,
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_LAMBDA_FUNCTION_NAME: definition.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(definition.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${definition.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    LAMBDA_TASK_ROOT: definition.codeDir,
    _HANDLER: definition.handler,
  };
}

function refuse(req: IncomingMessage, res: ServerResponse): void {
  req.resume();
  res
    .writeHead(403, { 'Content-Type': 'application/json' })
    .end('{"errorType":"InvalidRequestID"}');
}

async function readBounded(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of req) if (text.length < MAX_ERROR_BYTES) text += chunk;
  return text;
}
