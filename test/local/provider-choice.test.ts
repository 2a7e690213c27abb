import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parsePolicy } from '../../core/policy/parse-policy.ts';
import { chooseProviders } from '../../local/provider-choice.ts';

const URL = 'http://127.0.0.1:9';
const text = `# 0.10 and $1_000.50 stay as written
providers:
  openai:
    kind: openai
    base_url: https://api.openai.com # real
    secret: openai
  europe: { kind: openai, base_url: 'https://eu.example', secret: openai-eu }
  vllm:
    kind: vllm
    base_url: http://vllm.internal:8000
price: 0.1000
`;

it('points every provider without a key at the simulated one, and changes nothing else', () => {
  const chosen = chooseProviders(text, URL, {});
  expect(chosen.simulated).toEqual(['openai', 'europe', 'vllm']);
  expect(chosen.text).toBe(
    text
      .replace('https://api.openai.com', `"${URL}"`)
      .replace("'https://eu.example'", `"${URL}"`)
      .replace('http://vllm.internal:8000', `"${URL}/vllm"`),
  );
});

it.each([
  [
    'kind: bedrock\n    region: eu-west-1',
    `base_url: "${URL}/bedrock"\n    kind: bedrock\n    region: eu-west-1`,
  ],
  [
    '{ kind: bedrock, region: eu-west-1 }',
    `{ base_url: "${URL}/bedrock", kind: bedrock, region: eu-west-1 }`,
  ],
])('gives Bedrock an address where its region was one: %s', (written, expected) => {
  const policy = (provider: string) => `providers:\n  claude:\n    ${provider}\nmodels: {}\n`;
  const chosen = chooseProviders(policy(written), URL, {});
  expect(chosen).toMatchObject({ text: policy(expected), simulated: ['claude'] });
});

it('leaves a provider real whose key is in the environment, by the name of its secret or its own', () => {
  const env = {
    OPENAI_EU_API_KEY: 'sk',
    VLLM_API_KEY: 'x',
    EUROPE_API_KEY: 'ignored',
    OPENAI_API_KEY: '',
  };
  const chosen = chooseProviders(text, URL, env);
  expect(chosen).toMatchObject({ real: ['europe', 'vllm'], simulated: ['openai'] });
  expect(chosen.text).toContain("base_url: 'https://eu.example'");
});

it.each([
  '',
  '[',
  'providers: 7',
  'providers: { openai: 7, x: { base_url: {} } }',
  'providers:\n\t- x',
])('leaves a text that is no policy to the gateway: %j', (broken) => {
  expect(chooseProviders(broken, URL, {}).text).toBe(broken);
});

it('leaves the example policy valid', () => {
  const example = readFileSync(
    new globalThis.URL('../../examples/policy.yaml', import.meta.url),
    'utf8',
  );
  expect(parsePolicy(chooseProviders(example, URL, {}).text, 'policy.yaml').kind).toBe('ok');
});
