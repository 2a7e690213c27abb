/** Calls of the admin API. An answer that is not a success becomes a CliError that says what helps. */
import * as z from 'zod';
import { CliError } from './cli-error.ts';
import type { Connection } from './connection.ts';

interface AdminCall {
  readonly body?: object | undefined;
  /** A text body of another type than JSON. */
  readonly yaml?: string | undefined;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly reason?: string | undefined;
  /** The policy's version that the change was made for. */
  readonly ifMatch?: number | undefined;
}

interface AdminAnswer<T> {
  readonly status: number;
  readonly body: T;
}

export interface AdminClient {
  readonly url: string;
  call<S extends z.ZodType>(
    operation: string,
    answer: S,
    call?: AdminCall,
  ): Promise<AdminAnswer<z.output<S>>>;
}

/** Above what API Gateway lets an answer take. */
const TIMEOUT_MS = 35_000;

export function createAdminClient({ url, adminKey }: Connection): AdminClient {
  return {
    url,
    /** `operation` is a method and a path below `/admin/v1`, such as `GET /keys`. */
    async call(operation, answer, call = {}) {
      const [method = 'GET', path = '/'] = operation.split(' ');
      const response = await send(`${url}/admin/v1${path}${queryOf(call)}`, {
        method,
        headers: headersOf(adminKey, call),
        ...bodyOf(call),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const body = jsonOf(await response.text());
      if (!response.ok) throw refusal(response.status, body);
      const read = answer.safeParse(body);
      if (!read.success)
        throw new CliError(
          `${url} gave an answer that this version does not know. Is it a Tollgate of this version? ${z.prettifyError(read.error)}`,
          { code: 'unknown_answer' },
        );
      return { status: response.status, body: read.data };
    },
  };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`${new URL(url).origin} cannot be reached: ${why}`, { code: 'unreachable' });
  }
}

function headersOf(adminKey: string, { reason, ifMatch, yaml }: AdminCall): Headers {
  if (reason !== undefined && /[^\x20-\x7e\xa0-\xff]/.test(reason))
    throw new CliError('A reason is one line of Latin letters, because it travels in a header.');
  const headers = new Headers({
    authorization: `Bearer ${adminKey}`,
    'user-agent': 'tollgate-cli',
    'content-type': yaml === undefined ? 'application/json' : 'application/yaml',
  });
  if (reason !== undefined) headers.set('x-tollgate-reason', reason);
  if (ifMatch !== undefined) headers.set('if-match', `"${ifMatch}"`);
  return headers;
}

function bodyOf({ body, yaml }: AdminCall): { body?: string } {
  if (yaml !== undefined) return { body: yaml };
  return body === undefined ? {} : { body: JSON.stringify(body) };
}

function queryOf({ query = {} }: AdminCall): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) given.set(name, value);
  return given.size === 0 ? '' : `?${given}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}

/** Ours, or the gateway's in front of it. */
const refusalSchema = z.object({
  error: z.looseObject({ code: z.string(), message: z.string() }).optional(),
  message: z.string().optional(),
});

function refusal(status: number, body: unknown): CliError {
  const { error, message } = refusalSchema.safeParse(body).data ?? {};
  if (error === undefined)
    return new CliError(`The gateway answered ${status}: ${message ?? 'without a reason'}`, {
      code: `http_${status}`,
    });
  const hint = HINTS[error.code];
  return new CliError(hint === undefined ? error.message : `${error.message} ${hint}`, {
    code: error.code,
    details: error,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  invalid_admin_key: 'Yours is unknown, replaced or revoked: run "tollgate login" with a new one.',
  precondition_failed: 'Somebody was faster: look at the plan again, then apply.',
  policy_conflict: 'Look at the plan again, then apply.',
  forbidden: '"tollgate whoami" shows your role.',
};

/** Of a path: names are whatever they are. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
