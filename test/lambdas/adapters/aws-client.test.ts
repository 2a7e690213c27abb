import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Aws, type CallPolicy, createAws } from '../../../lambdas/adapters/aws-client.ts';
import type { CredentialSource } from '../../../lambdas/adapters/aws-credentials.ts';
import { createSigner } from '../../../lambdas/adapters/sigv4.ts';
import { type AwsStub, refuse, startAwsStub } from '../../support/aws-stub.ts';
import { runFaultedCalls } from '../../support/faulted-calls.ts';

const ROLE = { accessKeyId: 'AKIDOLD', secretAccessKey: 'secret', sessionToken: 'token' };
const OTHER = { accessKeyId: 'AKIDNEW', secretAccessKey: 'newer', sessionToken: 'other' };
const ONCE: CallPolicy = { attempts: 1, attemptMs: 1_000 };
const THRICE: CallPolicy = { attempts: 3, attemptMs: 1_000 };
const fixed: CredentialSource = { get: async () => ROLE, renew: async () => undefined };

let stub: AwsStub;
let aheadMs: number;
let opened: Aws[];
const clock = { nowMs: () => Date.now() + aheadMs };

beforeEach(async () => {
  stub = await startAwsStub((response) => response.end('{"ok":true}'));
  aheadMs = 0;
  opened = [];
});
afterEach(() => {
  for (const aws of opened) aws.close();
  stub.close();
});

function clientOf(policy: CallPolicy, credentials: CredentialSource = fixed, url = stub.url) {
  const env = { AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_DYNAMODB: url };
  const aws = createAws({ clock, env, credentials });
  opened.push(aws);
  return aws.client('dynamodb', policy);
}

const call = (policy = ONCE, credentials = fixed) =>
  clientOf(policy, credentials).call('GetItem', { TableName: 't' });

async function faultOf(work: Promise<unknown>) {
  const startMs = performance.now();
  const fault: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { fault, tookMs: performance.now() - startMs };
}

describe('a call', () => {
  it('carries its operation, its body and a signature of both', async () => {
    expect(await call()).toEqual({ ok: true });
    const [seen] = stub.seen;
    expect(seen).toMatchObject({ operation: 'GetItem', body: '{"TableName":"t"}' });
    const names = ['content-type', 'x-amz-target'] as const;
    const headers = Object.fromEntries(names.map((name) => [name, String(seen?.headers[name])]));
    const date = String(seen?.headers['x-amz-date']);
    const at = date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5');
    const unsigned = { method: 'POST', url: new URL(stub.url), headers, body: seen?.body ?? '' };
    const signer = createSigner({ region: 'eu-west-1', service: 'dynamodb' });
    expect(seen?.headers).toMatchObject(signer.sign(unsigned, ROLE, Date.parse(at)));
  });

  it('goes over the connection of the call before', async () => {
    const client = clientOf(ONCE);
    for (let count = 0; count < 5; count += 1) await client.call('GetItem', {});
    expect(stub.open()).toBe(1);
  });

  it('waits for a connection where all are taken, and is written once it has one', async () => {
    stub.answer = (response) => void setTimeout(() => response.end('{}'), 1_100);
    const client = clientOf({ attempts: 1, attemptMs: 4_000 });
    const calls = Array.from({ length: 200 }, () => client.call('PutRecord', {}));
    // Half of an attempt, which is all that connecting may take, has passed when the others are answered.
    await Promise.all(calls);
    expect(stub.seen).toHaveLength(200);
    expect(stub.open()).toBeLessThanOrEqual(128);
  });

  it('needs a region, and goes to the endpoint of the service, of all services, or of AWS', async () => {
    expect(() => createAws({ clock, env: {}, credentials: fixed }).client('sqs', ONCE)).toThrow(
      'no AWS region',
    );
    const env = { AWS_DEFAULT_REGION: 'eu-west-1', AWS_ENDPOINT_URL: stub.url };
    const aws = createAws({ clock, env, credentials: fixed });
    opened.push(aws);
    await aws.client('sqs', ONCE).call('SendMessage', {});
    expect(stub.seen[0]?.headers['content-type']).toBe('application/x-amz-json-1.0');
    expect(stub.seen[0]?.headers['x-amz-target']).toBe('AmazonSQS.SendMessage');
  });
});

describe('a fault', () => {
  it.each([
    ['ThrottlingException', 400, 'refused', 3],
    ['ProvisionedThroughputExceededException', 400, 'refused', 3],
    ['InternalServerError', 500, 'failed', 3],
    ['ValidationException', 400, 'refused', 1],
    ['AccessDeniedException', 400, 'refused', 1],
  ])(
    '%s is told by name, and comes again only where that helps',
    async (code, status, kind, sent) => {
      stub.answer = (response) => refuse(response, code, { status });
      const { fault } = await faultOf(call(THRICE));
      expect(fault).toMatchObject({ code, kind });
      expect(stub.seen).toHaveLength(sent);
      expect((await faultOf(call(ONCE))).fault).toMatchObject({ code, kind });
      expect(stub.seen).toHaveLength(sent + 1);
    },
  );

  it('names no more of the answer than its code and words to the logs', async () => {
    stub.answer = (response) => refuse(response, 'X', { Item: { secret: { S: 'whole account' } } });
    const { fault } = await faultOf(call());
    expect(JSON.stringify({ ...Object(fault) })).not.toContain('whole account');
    expect(fault).toMatchObject({ answer: { Item: { secret: { S: 'whole account' } } } });
  });

  it('is unsent where nobody listens, and where there are no credentials', async () => {
    const away = clientOf(ONCE, fixed, 'http://127.0.0.1:9');
    expect((await faultOf(away.call('GetItem', {}))).fault).toMatchObject({ kind: 'unsent' });
    const none: CredentialSource = {
      get: () => Promise.reject(new Error('none')),
      renew: fixed.renew,
    };
    expect((await faultOf(call(ONCE, none))).fault).toMatchObject({ kind: 'unsent' });
    expect(stub.seen).toHaveLength(0);
  });

  it('is unsent when credentials take too long, and ends in time', async () => {
    const slow: CredentialSource = {
      get: () => sleep(5_000, ROLE, { ref: false }),
      renew: fixed.renew,
    };
    const { fault, tookMs } = await faultOf(call({ attempts: 1, attemptMs: 200 }, slow));
    expect(fault).toMatchObject({ kind: 'unsent' });
    expect(tookMs).toBeLessThan(400);
  });

  it.each([
    ['no answer comes', () => undefined],
    ['an answer does not end', (response) => void response.write('{')],
    ['the connection is reset', (response) => void response.socket?.resetAndDestroy()],
    [
      'the answer breaks off',
      (response) =>
        void response
          .writeHead(200, { 'content-length': '9' })
          .write('{', () => response.destroy()),
    ],
    ['the answer is too large', (response) => void response.end(Buffer.alloc(5_000_000))],
  ] satisfies [string, AwsStub['answer']][])(
    'is in doubt when %s, and ends in time',
    async (_what, answer) => {
      stub.answer = answer;
      const { fault, tookMs } = await faultOf(call({ attempts: 1, attemptMs: 300 }));
      expect(fault).toMatchObject({ kind: 'unanswered' });
      expect(tookMs).toBeLessThan(700);
      expect(stub.seen).toHaveLength(1);
    },
  );

  it('that is no JSON is a failure, whatever its status', async () => {
    stub.answer = (response) => response.end('<html>');
    expect((await faultOf(call())).fault).toMatchObject({ kind: 'failed' });
    stub.answer = (response) => response.writeHead(407).end('<html>');
    expect((await faultOf(call())).fault).toMatchObject({ kind: 'refused', code: '' });
  });

  it('once is forgotten by the second attempt', async () => {
    stub.answer = (response, _call, index) =>
      index === 0 ? void response.socket?.resetAndDestroy() : void response.end('{"n":2}');
    expect(await call(THRICE)).toEqual({ n: 2 });
  });
});

describe('a refused signature', () => {
  const expired: AwsStub['answer'] = (response, { headers }) =>
    headers.authorization?.includes('AKIDNEW')
      ? void response.end('{"ok":true}')
      : refuse(response, 'ExpiredTokenException');

  it('of credentials that have ended is made again with others, once, even where one attempt is all', async () => {
    stub.answer = expired;
    const renewing: CredentialSource = { get: async () => ROLE, renew: async () => OTHER };
    expect(await call(ONCE, renewing)).toEqual({ ok: true });
    expect(stub.seen).toHaveLength(2);
  });

  it('stands where there are no others, or the others have ended too', async () => {
    stub.answer = expired;
    expect((await faultOf(call())).fault).toMatchObject({ code: 'ExpiredTokenException' });
    const useless: CredentialSource = { get: async () => ROLE, renew: async () => ROLE };
    expect((await faultOf(call(ONCE, useless))).fault).toMatchObject({ kind: 'refused' });
    expect(stub.seen).toHaveLength(3);
  });

  /** As AWS does: five minutes of difference are accepted. */
  const strict: AwsStub['answer'] = (response, { headers }) => {
    const date = String(headers['x-amz-date']).replace(
      /(....)(..)(..T..)(..)(..Z)/,
      '$1-$2-$3:$4:$5',
    );
    const isFar = Math.abs(Date.parse(date) - Date.now()) > 300_000;
    return isFar ? refuse(response, 'InvalidSignatureException') : void response.end('{"ok":true}');
  };

  it.each([-7_200_000, 7_200_000])(
    'of a clock that is %i ms wrong is made again at the true time, and later calls know it',
    async (ms) => {
      stub.answer = strict;
      aheadMs = ms;
      const client = clientOf(ONCE);
      expect(await client.call('GetItem', {})).toEqual({ ok: true });
      expect(stub.seen).toHaveLength(2);
      expect(await client.call('GetItem', {})).toEqual({ ok: true });
      expect(stub.seen).toHaveLength(3);
      aheadMs = 0;
      expect(await client.call('GetItem', {})).toEqual({ ok: true });
    },
  );

  it('of calls that were under way together is made again for each of them', async () => {
    stub.answer = strict;
    aheadMs = 3_600_000;
    const client = clientOf(ONCE);
    const calls = Array.from({ length: 20 }, () => client.call('GetItem', {}));
    for (const answer of await Promise.all(calls)) expect(answer).toEqual({ ok: true });
  });

  it('stands where the clock is right: the key is wrong then', async () => {
    stub.answer = (response) => refuse(response, 'InvalidSignatureException');
    expect((await faultOf(call())).fault).toMatchObject({ code: 'InvalidSignatureException' });
    expect(stub.seen).toHaveLength(1);
  });
});

describe('1,100 calls, each of which meets a fault', () => {
  it('end in time with what the client promises, and leave no connection, no timer and no memory', async () => {
    const { kinds, problems } = await runFaultedCalls({ calls: 1_100, callers: 40 });
    expect(problems).toEqual([]);
    expect(Object.keys(kinds)).toHaveLength(11);
  }, 60_000);
});
