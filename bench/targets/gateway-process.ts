/**
 * core/serve.ts behind a minimal HTTP server, in a process of its own: the request path without Lambda's
 * protocol. Where the accounts are is an option.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { systemClock } from '../../core/clock.ts';
import { newRequestId } from '../../core/ids.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { collectOnOneThread } from '../../lambdas/adapters/collector.ts';
import { writeAnswer } from '../../lambdas/proxy/write-answer.ts';
import { hasLeft, listen, readBody, runChildServer } from '../child-server.ts';
import type { GatewayOptions } from './gateway.ts';
import { createBenchPorts } from './gateway-ports.ts';

const LONGEST_CALL_MS = 900_000;

const optionsSchema: z.ZodType<GatewayOptions> = z.object({
  providerUrl: z.string(),
  keys: z.record(z.string(), z.string()),
  mayFail: z.boolean().optional(),
  tables: z
    .object({
      url: z.string(),
      eventsUrl: z.string().optional(),
      accountsTable: z.string(),
      catalogTable: z.string(),
      client: z.enum(['lean', 'sdk']),
    })
    .optional(),
});

runChildServer(optionsSchema, async (options) => {
  collectOnOneThread();
  const ports = await createBenchPorts(options);
  return listen((request, response) => {
    answer(ports, request, response).catch((fault: unknown) => {
      if (hasLeft(fault)) return;
      process.stderr.write(`${String(fault)}\n`);
      response.destroy();
    });
  });
});

async function answer(
  ports: Ports,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const receivedAtMs = systemClock.nowMs();
  const { status, headers, body, closed } = await serve(ports, {
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, value?.toString()]),
    ),
    body: await readBody(request),
    requestId: newRequestId(),
    receivedAtMs,
    deadlineMs: receivedAtMs + LONGEST_CALL_MS,
  });
  response.writeHead(status, headers);
  await writeAnswer(body, response);
  await closed;
}
