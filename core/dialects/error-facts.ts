import type { ErrorCode } from '../errors.ts';

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
