/**
 * Signed calls to AWS's services on the request path, over kept connections: what an SDK does for these few
 * operations in a tenth of its CPU and start (ADR 0020). A signature that is refused because the credentials ended or
 * the clock is wrong is made again once, since nothing was applied. All else is repeated only where the
 * caller allows more than one attempt, which is where a copy of the call does no harm.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type JsonRecord, parseRecord } from '../../core/dialects/json-record.ts';
import { type AwsAnswer, headerOf } from './aws-answer.ts';
import { type AwsConnections, createAwsConnections } from './aws-connections.ts';
import { type CredentialSource, createCredentials } from './aws-credentials.ts';
import {
  AwsFault,
  isOfExpiredCredentials,
  isOfSignature,
  isWorthRepeating,
  refusalOf,
} from './aws-fault.ts';
import { createRequestWriter, type RequestWriter } from './aws-request.ts';
import {
  AWS_SERVICES,
  type AwsServiceName,
  type Environment,
  endpointOf,
  regionOf,
} from './aws-services.ts';
import type { AwsCredentials } from './sigv4.ts';

export interface AwsClient {
  /** The answer's JSON, to an input or its JSON text. Throws AwsFault. */
  call(operation: string, input: object | string): Promise<JsonRecord>;
}

export interface CallPolicy {
  /** More than one only for calls that may be made twice. */
  readonly attempts: number;
  /** Each attempt ends within so long, connecting and signing again included. */
  readonly attemptMs: number;
}

export interface Aws {
  client(service: AwsServiceName, policy: CallPolicy): AwsClient;
  close(): void;
}

export interface AwsOptions {
  readonly clock: Clock;
  readonly env?: Environment;
  readonly credentials?: CredentialSource;
}

const FIRST_PAUSE_MS = 50;
/** Services accept a signature of five minutes ago, so that a clock which is less wrong was not the reason. */
const SKEW_MS = 60_000;

/** The region and the endpoints are read from the environment. Clients share connections, credentials and the true time. */
export function createAws({ clock, env = process.env, ...given }: AwsOptions): Aws {
  const credentials = given.credentials ?? createCredentials({ clock, env });
  const time = createTrueTime(clock);
  const wires = new Map<AwsServiceName, Wire>();
  return {
    client(service, policy) {
      const wire = wires.get(service) ?? wireOf(service, env, clock);
      wires.set(service, wire);
      return createClient({ wire, policy, credentials, time, clock });
    },
    close() {
      for (const { connections } of wires.values()) connections.close();
    },
  };
}

interface Wire {
  readonly connections: AwsConnections;
  readonly writer: RequestWriter;
}

function wireOf(service: AwsServiceName, env: Environment, clock: Clock): Wire {
  const { target, jsonVersion, connections: most } = AWS_SERVICES[service];
  const region = regionOf(env);
  const url = endpointOf(service, region, env);
  const contentType = `application/x-amz-json-${jsonVersion}`;
  return {
    connections: createAwsConnections({ url, most, clock }),
    writer: createRequestWriter({ url, region, service, target, contentType }),
  };
}

interface ClientParts {
  readonly wire: Wire;
  readonly policy: CallPolicy;
  readonly credentials: CredentialSource;
  readonly time: TrueTime;
  readonly clock: Clock;
}

function createClient({ wire, policy, credentials, time, clock }: ClientParts): AwsClient {
  const connectTimeoutMs = policy.attemptMs / 2;

  /** One attempt; signed a second time where that may help. */
  async function attempt(operation: string, body: string): Promise<JsonRecord> {
    const deadlineMs = clock.nowMs() + policy.attemptMs;
    const inTime = <T>(work: Promise<T>) => within(deadlineMs - clock.nowMs(), work);
    const send = (role: AwsCredentials, signedAtMs: EpochMs) => {
      const text = wire.writer.write({ operation, body }, role, signedAtMs);
      return wire.connections.exchange({ text, connectTimeoutMs, deadlineMs });
    };
    const known = credentials.get();
    const role = known instanceof Promise ? await inTime(known) : known;
    const signedAtMs = time.nowMs();
    const first = await send(role, signedAtMs);
    if (isSuccess(first)) return resultOf(first);
    const fault = refusalOf(first);
    const other = await inTime(otherRole(fault, first, { role, signedAtMs }));
    if (other === undefined) throw fault;
    const second = await send(other, time.nowMs());
    if (isSuccess(second)) return resultOf(second);
    throw refusalOf(second);
  }

  /** With what to sign again a call that was refused; undefined where the signature was not the reason. */
  async function otherRole(
    fault: AwsFault,
    answer: AwsAnswer,
    { role, signedAtMs }: { role: AwsCredentials; signedAtMs: EpochMs },
  ): Promise<AwsCredentials | undefined> {
    if (isOfSignature(fault))
      return time.learn(headerOf(answer, 'date'), signedAtMs) ? role : undefined;
    return isOfExpiredCredentials(fault) ? credentials.renew(role) : undefined;
  }

  return {
    async call(operation, input) {
      const body = typeof input === 'string' ? input : JSON.stringify(input);
      for (let count = 1; ; count += 1) {
        try {
          return await attempt(operation, body);
        } catch (fault) {
          const mayRepeat = fault instanceof AwsFault && isWorthRepeating(fault);
          if (!mayRepeat || count >= policy.attempts) throw fault;
        }
        await sleep(FIRST_PAUSE_MS * 2 ** (count - 1) * (0.5 + Math.random() / 2));
      }
    },
  };
}

function isSuccess({ status }: AwsAnswer): boolean {
  return status >= 200 && status < 300;
}

function resultOf({ text }: AwsAnswer): JsonRecord {
  const result = text === '' ? {} : parseRecord(text);
  if (result !== undefined) return result;
  throw new AwsFault('failed', { message: 'the answer is no JSON object' });
}

interface TrueTime extends Clock {
  /**
   * From the `Date` of an answer; false where the signature agrees with it. It is the signature that is asked and not what is known
   * by now: of calls that were under way together, the first to return has taught the others' true time already.
   */
  learn(date: string | undefined, signedAtMs: EpochMs): boolean;
}

function createTrueTime(clock: Clock): TrueTime {
  let aheadMs = 0;
  return {
    nowMs: () => clock.nowMs() + aheadMs,
    learn(date = '', signedAtMs) {
      const trueMs = Date.parse(date);
      if (!(Math.abs(trueMs - signedAtMs) > SKEW_MS)) return false;
      aheadMs = trueMs - clock.nowMs();
      return true;
    },
  };
}

/** Credentials may take longer to fetch than an attempt may: they then serve the next one. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const message = 'no credentials in time';
  const timer = setTimeout(() => reject(new AwsFault('unsent', { message })), ms);
  try {
    return await Promise.race([work, promise]);
  } catch (cause) {
    if (cause instanceof AwsFault) throw cause;
    throw new AwsFault('unsent', { message: `no credentials: ${String(cause)}`, cause });
  } finally {
    clearTimeout(timer);
  }
}
