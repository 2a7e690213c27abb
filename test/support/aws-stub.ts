/** A service that answers as a script says, counts what it reads, and checks that no call came twice unasked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

interface AwsCallSeen {
  readonly operation: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, call: AwsCallSeen, index: number) => void;

export interface AwsStub {
  readonly url: string;
  readonly seen: AwsCallSeen[];
  /** Connections that are open now. */
  open(): number;
  answer: Answer;
  close(): void;
}

export async function startAwsStub(answer: Answer): Promise<AwsStub> {
  const seen: AwsCallSeen[] = [];
  let open = 0;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    const call = { operation, headers: request.headers, body: Buffer.concat(parts).toString() };
    seen.push(call);
    stub.answer(response, call, seen.length - 1);
  });
  server.on('connection', (socket) => {
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stub: AwsStub = {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    open: () => open,
    answer,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return stub;
}

/** An error in the words of DynamoDB. */
export function refuse(
  response: ServerResponse,
  code: string,
  { status = 400, ...more }: { status?: number; [field: string]: unknown } = {},
): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
  const type = `com.amazonaws.dynamodb.v20120810#${code}`;
  response.end(JSON.stringify({ __type: type, message: 'no', ...more }));
}
