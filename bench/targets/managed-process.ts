/** The proxy's bundle behind a plain server: every request becomes an event of API Gateway, as text, which is read as the runtime reads it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { hasLeft, listen, readBody, runChildServer } from '../child-server.ts';

const optionsSchema = z.object({ file: z.string() });
const LONGEST_CALL_MS = 900_000;

type Handler = (event: unknown, response: ServerResponse, context: object) => Promise<void>;

runChildServer(optionsSchema, async ({ file }) => {
  Object.assign(globalThis, { awslambda: { streamifyResponse, HttpResponseStream: { from } } });
  const module: unknown = await import(pathToFileURL(file).href);
  const { handler } = z.object({ handler: handlerSchema }).parse(module);
  return listen((request, response) => {
    invoke(handler, request, response).catch((fault: unknown) => {
      if (hasLeft(fault)) return;
      process.stderr.write(`${String(fault)}\n`);
      response.destroy();
    });
  });
});

const handlerSchema = z.custom<Handler>((value) => typeof value === 'function');

function streamifyResponse(handler: unknown): unknown {
  return handler;
}

interface Head {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
}

function from(response: ServerResponse, { statusCode, headers }: Head): ServerResponse {
  return response.writeHead(statusCode, headers);
}

async function invoke(
  handler: Handler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method: httpMethod, url: path, headers } = request;
  const body = (await readBody(request)).toString();
  const event = JSON.stringify({ httpMethod, path, headers, body, isBase64Encoded: false });
  const context = { getRemainingTimeInMillis: () => LONGEST_CALL_MS };
  await handler(JSON.parse(event), response, context);
}
