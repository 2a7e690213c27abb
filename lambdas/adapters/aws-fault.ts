/** Why a call to an AWS service has no result, and whether it may have had an effect. */
import { asText, type JsonRecord, parseRecord } from '../../core/dialects/json-record.ts';
import { type AwsAnswer, headerOf } from './aws-answer.ts';

export type AwsFaultKind =
  /** The service said no: nothing was applied, and nothing will be. */
  | 'refused'
  /** The service failed, or its answer cannot be read: the call may have been applied. */
  | 'failed'
  /** Nothing of the call was written to a connection. */
  | 'unsent'
  /** Written, but no whole answer came: the call may be applied now, later or never. */
  | 'unanswered';

export class AwsFault extends Error {
  override readonly name = 'AwsFault';
  readonly kind: AwsFaultKind;
  /** The service's own name of the error, without its namespace; empty where it gave none. */
  readonly code: string;
  /** Private, because logs list what an error has, and an answer may hold a whole account. */
  readonly #answer: JsonRecord;

  constructor(
    kind: AwsFaultKind,
    details: { message: string; code?: string; answer?: JsonRecord; cause?: unknown },
  ) {
    super(details.message, details.cause === undefined ? {} : { cause: details.cause });
    this.kind = kind;
    this.code = details.code ?? '';
    this.#answer = details.answer ?? {};
  }

  /** The error as the service told it, empty where it told nothing: some hold more than a name. */
  get answer(): JsonRecord {
    return this.#answer;
  }
}

const LONGEST_MESSAGE = 500;

/** Of an answer that is no success. */
export function refusalOf(given: AwsAnswer): AwsFault {
  const { status, text } = given;
  const answer = parseRecord(text) ?? {};
  const { __type: type, message, Message } = answer;
  const code = bareName(headerOf(given, 'x-amzn-errortype') ?? asText(type) ?? '');
  const words = (asText(message) ?? asText(Message) ?? '').slice(0, LONGEST_MESSAGE);
  const kind = status >= 400 && status < 500 ? 'refused' : 'failed';
  return new AwsFault(kind, { message: `${status} ${code} ${words}`, code, answer });
}

/** `com.amazonaws.dynamodb.v20120810#ThrottlingException`, `ThrottlingException:http://...` and the bare name are one. */
function bareName(name: string): string {
  return name.replace(/^.*#/, '').replace(/:.*$/, '');
}

/** Also told with a status of 400, so that the name alone says it. */
const THROTTLED = new Set([
  'KMSThrottlingException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/** For calls that may be made twice. */
export function isWorthRepeating({ kind, code }: AwsFault): boolean {
  return kind !== 'refused' || THROTTLED.has(code);
}

const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException']);

export function isOfExpiredCredentials({ kind, code }: AwsFault): boolean {
  return kind === 'refused' && EXPIRED.has(code);
}

const UNSIGNED = new Set([
  'InvalidSignatureException',
  'RequestExpired',
  'RequestInTheFuture',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
]);

/** The signature was not accepted: a clock that is wrong is one of the reasons. */
export function isOfSignature({ kind, code }: AwsFault): boolean {
  return kind === 'refused' && UNSIGNED.has(code);
}
