/** Whether a key is still active, for requests that reserve nothing: a reserve checks it in the write that counts the call. */
import { GatewayError } from './errors.ts';
import type { Account } from './limits/account.ts';
import type { Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';

/** One strongly consistent read: a revoked key learns nothing, not even the names of models. */
export async function assertActive(ports: Pick<Ports, 'accounts'>, caller: Caller): Promise<void> {
  assertKeyActive(await ports.accounts.read({ kind: 'key', keyId: caller.key.keyId }));
}

/** Throws GatewayError `invalid_api_key`. */
export function assertKeyActive(account: Account | undefined): void {
  if (account?.status === 'active') return;
  throw new GatewayError(
    'invalid_api_key',
    `This API key has been ${account?.status ?? 'removed'}.`,
  );
}
