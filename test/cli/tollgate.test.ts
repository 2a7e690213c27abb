/** The command line as a child process, against a local instance. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type RunningGateway, startGateway } from '../e2e/instance.ts';

const POLICY = 'test/fixtures/e2e-policy.yaml';

describe('tollgate', () => {
  let gateway: RunningGateway;
  const home = mkdtempSync(join(tmpdir(), 'tollgate-cli-'));

  beforeAll(async () => {
    gateway = await startGateway({ policy: POLICY });
  });
  afterAll(() => gateway.stop());

  it('finds the running local instance by itself', async () => {
    const { code, out } = await tollgate(['whoami']);
    expect(code).toBe(0);
    expect(out).toContain(`gateway    ${gateway.baseUrl}`);
  });

  it('prints the answer of the API as JSON, and errors alike', async () => {
    const list = await tollgate(['models', 'list', '--json']);
    expect(JSON.parse(list.out).items[0]).toMatchObject({ id: 'dear', value: { tier: 'shared' } });
    const error = await tollgate(['keys', 'show', 'vk_000000000000', '--json']);
    expect(error).toMatchObject({ code: 1, err: '' });
    expect(JSON.parse(error.out)).toMatchObject({ error: { code: 'not_found' } });
  });

  it('tells by its exit code whether there is something to apply', async () => {
    const changed = join(home, 'changed.yaml');
    writeFileSync(changed, await policyWith('$1,000', '$1,001'));
    expect(await tollgate(['plan', changed])).toMatchObject({ code: 0 });
    const detailed = await tollgate(['plan', changed, '--detailed-exitcode']);
    expect(detailed.code).toBe(2);
    expect(detailed.out).toContain(
      '~ tenants.acme.teams.open.limits.monthly_budget  $1,000 -> $1,001',
    );
    expect(detailed.out).not.toContain('\u001b');
  });

  it('applies nothing when nobody is there to agree', async () => {
    const changed = join(home, 'unasked.yaml');
    writeFileSync(changed, await policyWith('$1,000', '$1,002'));
    const { code, err } = await tollgate(['apply', changed]);
    expect(code).toBe(1);
    expect(err).toContain('--yes');
    const { out } = await tollgate(['limits', 'show', 'acme/open', '--json']);
    expect(JSON.parse(out)).toMatchObject({ monthly_budget: '$1,000' });
  });

  it('shows all errors of a file where an editor finds them', async () => {
    const wrong = join(home, 'wrong.yaml');
    writeFileSync(wrong, (await policyWith('$1,000', 'lots')).replace('128K', 'wide'));
    const { code, err } = await tollgate(['plan', wrong]);
    expect(code).toBe(1);
    expect(err).toMatch(/wrong\.yaml:\d+:\d+ models\.fast\.context_tokens: expected .*"wide"/);
    expect(err).toMatch(/wrong\.yaml:\d+:\d+ tenants\.acme\.teams\.open\.limits\.monthly_budget/);
  });

  it('keeps a login for its owner alone, and never sends its key to another address', async () => {
    const { code } = await tollgate(['login', '--profile', 'me'], { input: gateway.adminKey });
    expect(code).toBe(0);
    const file = join(home, 'tollgate', 'logins.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const other = await tollgate(['whoami', '--profile', 'me', '--url', 'https://evil.example']);
    expect(other).toMatchObject({ code: 1 });
    expect(other.err).toContain(`The key at hand is for ${gateway.baseUrl}`);
  });

  it('does not keep a key that opens nothing', async () => {
    const wrong = await tollgate(['login', '--profile', 'typo'], { input: 'tga_wrong' });
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.err).toContain('tollgate login');
    expect(await tollgate(['whoami', '--profile', 'typo'])).toMatchObject({ code: 1 });
  });

  it('writes a secret into a new file and over none', async () => {
    const file = join(home, 'open.key');
    const create = ['keys', 'create', 'acme/open/open', '--owner', 'me', '--key-file', file];
    const made = await tollgate(create);
    expect(made.code).toBe(0);
    expect(made.out).not.toMatch(/tg_/);
    const secret = readFileSync(file, 'utf8');
    expect(await tollgate(['keys', 'check'], { input: secret })).toMatchObject({ code: 0 });
    expect(await tollgate(create)).toMatchObject({ code: 1 });
    expect(readFileSync(file, 'utf8')).toBe(secret);
  });

  it('shows a call by its request id, and where its logs are', async () => {
    const { keyId, key } = await gateway.keyOf('open');
    const response = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    await response.text();
    const id = response.headers.get('x-request-id') ?? '';
    const { out } = await eventually(async () => {
      const shown = await tollgate(['requests', 'show', id]);
      expect(shown).toMatchObject({ code: 0 });
      return shown;
    });
    expect(out).toMatch(/^state +closed: /m);
    expect(out).toMatch(/^whose +acme\/open\/open$/m);
    expect(out).toMatch(new RegExp(`^key +${keyId}$`, 'm'));
    expect(out).toMatch(/^served by +openai\/sim-small\+tokens=20 \(shared\)$/m);
    expect(out).toMatch(/^answer +200, ok, /m);
    expect(out).toMatch(/^tokens +\d+ in, 20 out$/m);
    expect(out).toMatch(/^cost +\$0\.0000/m);
    expect(out).toMatch(
      /^id=\$\(aws logs start-query .*'\S*ProxyLog\S*' --start-time \d{10} --end/m,
    );
    const json = await tollgate(['requests', 'show', id, '--key', keyId, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ request_id: id, state: 'closed', holds: [] });
    const wrong = await tollgate(['requests', 'show', id, '--day', '2020-01-01']);
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('There is no call') });
  });

  it.each([
    [['keys', 'creat'], 'There is no "keys creat"'],
    [['plan'], 'the policy file'],
    [['keys', 'create', 'acme'], 'tenant/team/project'],
    [['keys', 'list', '--nonsense'], '"tollgate keys list --help"'],
    [
      ['override', 'request', 'acme', '--add', '$5', '--reason', 'x', '--limit', 'y'],
      'monthly_budget',
    ],
    [['whoami', '--url', 'http://llm.example.com'], 'is no address of a gateway'],
  ])('says what is wrong with %s', async (args, expected) => {
    const { code, err, out } = await tollgate(args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(expected);
  });

  it('shows what a team did lately, as its keys are shown it', { timeout: 60_000 }, async () => {
    const { key } = await gateway.keyOf('narrow');
    const { status } = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(status).toBe(200);
    const show = ['activity', 'acme/narrow', '--last', '1h'];
    const counted = async () => JSON.parse((await tollgate([...show, '--json'])).out);
    await expect.poll(counted, { timeout: 50_000, interval: 1_000 }).toMatchObject({
      total: { requests: 1, output_tokens: 20 },
      models: { data: [{ name: 'fast' }] },
    });
    const { out } = await tollgate(show);
    expect(out).toMatch(/^five minutes from +calls +input .*\n.*UTC +1 .*\n\nmodel .*\nfast +1 /s);
    expect(await gateway.get('/v1/usage?activity=1h', key)).toMatchObject({
      activity: await counted(),
    });
    expect(await tollgate(['activity', 'acme/narrow/narrow'])).toMatchObject({ code: 1 });
  });

  it('has help for everything', async () => {
    const all = await tollgate(['--help']);
    const commands = all.out
      .split('\n')
      .flatMap((line) => /^tollgate ([a-z]+(?: [a-z]+)?)/.exec(line)?.[1] ?? []);
    expect(commands.length).toBeGreaterThan(30);
    const { out } = await tollgate(['override', 'request', '--help']);
    expect(out).toContain('--until <when>');
  });

  async function policyWith(from: string, to: string): Promise<string> {
    const { out } = await tollgate(['policy', 'show', '--json']);
    const { source }: { source: string } = JSON.parse(out);
    return source.replace(from, to);
  }

  async function tollgate(args: readonly string[], { input = '' } = {}) {
    const child = spawn(process.execPath, ['cli/tollgate.ts', ...args, '--data', gateway.dataDir], {
      env: { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: home, TZ: 'UTC' },
    });
    child.stdin.end(input);
    const closed = new Promise<number | null>((done) => child.once('close', done));
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { out, err, code };
  }
});
