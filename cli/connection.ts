/** Which gateway a command talks to, and as whom: the environment, then a login, then the local instance. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { readState } from '../local/instance-state.ts';
import { CliError } from './cli-error.ts';

export interface Connection {
  readonly url: string;
  readonly adminKey: string;
}

export interface Wanted {
  readonly url: string | undefined;
  readonly profile: string | undefined;
  /** Of the local instance. */
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
}

const DEFAULT_PROFILE = 'default';
const loginsSchema = z.record(z.string(), z.object({ url: z.string(), adminKey: z.string() }));
type Logins = z.infer<typeof loginsSchema>;

/** A key goes only to the address that it was stored with: another address needs its key in the environment. */
export function findConnection({ url, profile, dataDir, env }: Wanted): Connection {
  const wantedUrl = url ?? env['TOLLGATE_URL'];
  const key = env['TOLLGATE_ADMIN_KEY'];
  if (profile === undefined && key !== undefined) {
    const found = wantedUrl ?? readState(dataDir)?.baseUrl;
    if (found === undefined) throw new CliError('Say which gateway: --url, or TOLLGATE_URL.');
    return { url: baseOf(found), adminKey: key };
  }
  const login = readLogins(env)[profile ?? DEFAULT_PROFILE];
  if (profile !== undefined && login === undefined)
    throw new CliError(
      `There is no login "${profile}". Make it: tollgate login --profile ${profile}`,
    );
  const local = readState(dataDir);
  const known = login ?? (local && { url: local.baseUrl, adminKey: local.adminKey });
  if (known === undefined)
    throw new CliError(
      'No gateway is known. Run "tollgate login --url <url>", or set TOLLGATE_URL and TOLLGATE_ADMIN_KEY, or start a local one (npm start).',
    );
  if (wantedUrl !== undefined && baseOf(wantedUrl) !== baseOf(known.url))
    throw new CliError(
      `The key at hand is for ${known.url}. For ${wantedUrl}, run "tollgate login --url ${wantedUrl}" or set TOLLGATE_ADMIN_KEY.`,
    );
  return { url: baseOf(known.url), adminKey: known.adminKey };
}

/** Where a new login of this name would go, when no address is given. */
export function urlForLogin({ url, profile, dataDir, env }: Wanted): string {
  const known = url ?? env['TOLLGATE_URL'] ?? readLogins(env)[profile ?? DEFAULT_PROFILE]?.url;
  const found = known ?? readState(dataDir)?.baseUrl;
  if (found === undefined) throw new CliError('Say which gateway: --url, or TOLLGATE_URL.');
  return baseOf(found);
}

/** Readable by its owner alone, because it holds keys. Gives the file's name. */
export function storeLogin(
  { profile, env }: Pick<Wanted, 'profile' | 'env'>,
  login: Connection,
): string {
  const file = loginFile(env);
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
  const logins: Logins = { ...readLogins(env), [profile ?? DEFAULT_PROFILE]: login };
  writeFileSync(file, `${JSON.stringify(logins, null, 2)}\n`, { mode: 0o600 });
  // The mode above is only of a file that is made.
  chmodSync(file, 0o600);
  return file;
}

/** With `/v1` or a stage's slash at its end it is the same gateway. Keys travel encrypted, except on this machine. */
function baseOf(text: string): string {
  const url = URL.parse(text);
  const isLocal = url !== null && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)))
    throw new CliError(`"${text}" is no address of a gateway, such as https://llm.example.com.`);
  return text.replace(/\/+(v1\/*)?$/, '');
}

function readLogins(env: NodeJS.ProcessEnv): Logins {
  const file = loginFile(env);
  try {
    return loginsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new CliError(`${file} cannot be read. Mend it, or remove it and log in again.`);
  }
}

function loginFile(env: NodeJS.ProcessEnv): string {
  const base = env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? homedir(), '.config');
  return join(base, 'tollgate', 'logins.json');
}
