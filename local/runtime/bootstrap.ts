/**
 * What runs inside one execution environment: loads the function's handler, then takes one invocation after the other
 * from the Lambda Runtime API. Started by environment.ts as a process of its own.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { asResponseStream, installAwslambdaGlobal, isStreaming } from './awslambda-global.ts';
import {
  createRuntimeClient,
  errorReport,
  type Invocation,
  type RuntimeClient,
} from './runtime-client.ts';

type Handler = (...args: unknown[]) => unknown;

let currentRequestId = '-';
const client = createRuntimeClient(variable('AWS_LAMBDA_RUNTIME_API'));
endWithParent();
logLikeLambda();
installAwslambdaGlobal();
await serve(await loadHandlerOrDie(client), client);

async function serve(handler: Handler, runtime: RuntimeClient): Promise<never> {
  for (;;) {
    const invocation = await runtime.next();
    currentRequestId = invocation.requestId;
    process.env['_X_AMZN_TRACE_ID'] = invocation.traceId;
    if (isStreaming(handler)) await runStreaming(handler, invocation, runtime);
    else await runBuffered(handler, invocation, runtime);
  }
}

async function runStreaming(
  handler: Handler,
  invocation: Invocation,
  runtime: RuntimeClient,
): Promise<void> {
  const { request, accepted } = runtime.openResponse(invocation.requestId);
  try {
    await handler(invocation.event, asResponseStream(request), contextOf(invocation));
    if (!request.writableEnded) request.end();
  } catch (error) {
    console.error('Invoke Error', error);
    if (!request.writableEnded) endWithError(request, error);
  }
  await accepted;
}

/** After the first byte the only place left for an error is the trailers. */
function endWithError(
  request: ReturnType<RuntimeClient['openResponse']>['request'],
  error: unknown,
): void {
  const report = errorReport(error);
  request.flushHeaders();
  request.addTrailers({
    'Lambda-Runtime-Function-Error-Type': report.errorType,
    'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(report)).toString('base64'),
  });
  request.end();
}

async function runBuffered(
  handler: Handler,
  invocation: Invocation,
  runtime: RuntimeClient,
): Promise<void> {
  let body: string;
  try {
    body = JSON.stringify((await handler(invocation.event, contextOf(invocation))) ?? null);
  } catch (error) {
    console.error('Invoke Error', error);
    return runtime.reportError(invocation.requestId, error);
  }
  await runtime.respond(invocation.requestId, body);
}

function contextOf(invocation: Invocation): object {
  return {
    awsRequestId: invocation.requestId,
    invokedFunctionArn: invocation.functionArn,
    functionName: variable('AWS_LAMBDA_FUNCTION_NAME'),
    functionVersion: variable('AWS_LAMBDA_FUNCTION_VERSION'),
    memoryLimitInMB: variable('AWS_LAMBDA_FUNCTION_MEMORY_SIZE'),
    logGroupName: variable('AWS_LAMBDA_LOG_GROUP_NAME'),
    logStreamName: variable('AWS_LAMBDA_LOG_STREAM_NAME'),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, invocation.deadlineMs - Date.now()),
  };
}

async function loadHandlerOrDie(runtime: RuntimeClient): Promise<Handler> {
  try {
    return await loadHandler();
  } catch (error) {
    console.error('Init Error', error);
    await runtime.reportInitError(error);
    process.exit(1);
  }
}

async function loadHandler(): Promise<Handler> {
  const name = variable('_HANDLER');
  const dot = name.lastIndexOf('.');
  const base = join(variable('LAMBDA_TASK_ROOT'), name.slice(0, dot));
  const file = ['.mjs', '.js', '.cjs']
    .map((extension) => base + extension)
    .find((path) => existsSync(path));
  if (file === undefined) throw new Error(`Cannot find module '${base}'`);
  const module: Record<string, unknown> = await import(pathToFileURL(file).href);
  const handler = module[name.slice(dot + 1)];
  if (!isHandler(handler)) throw new Error(`${name} is undefined or not a function`);
  // The Node 24 runtime refuses callback handlers at init.
  if (!isStreaming(handler) && handler.length > 2)
    throw new Error(`${name} takes a callback; make it async`);
  return handler;
}

function isHandler(value: unknown): value is Handler {
  return typeof value === 'function';
}

/** Standard input is a pipe from the process that started this one: it ends when that process does, however it died. */
function endWithParent(): void {
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0));
  process.stdin.resume();
}

function logLikeLambda(): void {
  const levels = { log: 'INFO', debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' };
  const asJson = variable('AWS_LAMBDA_LOG_FORMAT') === 'JSON';
  const print = (level: string, args: unknown[]): void => {
    const entry = {
      timestamp: new Date().toISOString(),
      level,
      requestId: currentRequestId,
      message: format(...args),
    };
    const line = asJson
      ? JSON.stringify(entry)
      : `${entry.timestamp}\t${entry.requestId}\t${level}\t${entry.message}`;
    process.stdout.write(`${line}\n`);
  };
  for (const [method, level] of Object.entries(levels)) {
    Object.assign(console, { [method]: (...args: unknown[]) => print(level, args) });
  }
}

function variable(name: string): string {
  return process.env[name] ?? '';
}
