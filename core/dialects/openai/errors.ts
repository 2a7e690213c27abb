/** Errors and refusals as OpenAI's SDKs expect them: `{"error":{message,type,param,code}}`, all four always. */
import { ERRORS, type ErrorCode } from '../../errors.ts';

/** Facts of a refusal that a program can act on; an additional field of the error object. */
export interface GatewayDetail {
  readonly scope?: string;
  readonly dimension?: string;
  readonly limit?: number;
  readonly used?: number;
  readonly held?: number;
  /** What this call may take at most, in the dimension's unit. */
  readonly needed?: number;
  /** RFC 3339. */
  readonly reset_at?: string;
  readonly request_id: string;
}

export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string | undefined;
  readonly gateway: GatewayDetail;
}

export function openAiErrorBody({ code, message, param, gateway }: ErrorFacts): string {
  const { type, code: openAiCode } = ERRORS[code].openai;
  return JSON.stringify({
    error: { message, type, param: param ?? null, code: openAiCode, gateway },
  });
}

/** The same as an event of a stream that has already begun. Nothing may follow it. */
export function openAiErrorEvent(facts: ErrorFacts): string {
  return `data: ${openAiErrorBody(facts)}\n\n`;
}
