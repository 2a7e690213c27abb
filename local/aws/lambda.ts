import type { WireRequest, WireResponse } from './wire.ts';

/** Lambda's Invoke, so that a person, a test or the command line can run a scheduled function now. */
export interface Lambda {
  /** By its name and by the name that people use for it. */
  register(names: readonly string[], invoke: Invoke): void;
  isRequest(request: WireRequest): boolean;
  answer(request: WireRequest): Promise<WireResponse>;
}

/** Rejects when the function fails. */
type Invoke = (event: unknown) => Promise<unknown>;

const PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

export function createLambda(): Lambda {
  const functions = new Map<string, Invoke>();
  return {
    register(names, invoke) {
      for (const name of names) functions.set(name, invoke);
    },
    isRequest: ({ method, path }) => method === 'POST' && PATH.test(path),
    async answer({ path, body }) {
      const name = decodeURIComponent(PATH.exec(path)?.[1] ?? '');
      const invoke = functions.get(name);
      if (invoke === undefined) return notFound(name);
      const event: unknown = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
      return invoke(event).then(
        (result) => response(result, {}),
        (fault: unknown) =>
          response({ errorMessage: String(fault) }, { 'x-amz-function-error': 'Unhandled' }),
      );
    },
  };
}

function notFound(name: string): WireResponse {
  const headers = { 'x-amzn-errortype': 'ResourceNotFoundException' };
  return { ...response({ Message: `Function not found: ${name}` }, headers), status: 404 };
}

function response(result: unknown, headers: Readonly<Record<string, string>>): WireResponse {
  return {
    status: 200,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(result ?? null),
  };
}
