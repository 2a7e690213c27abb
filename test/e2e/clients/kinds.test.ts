import { expect, it } from 'vitest';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { PROVIDERS } from '../../../core/providers/registry.ts';
import { chooseProviders } from '../../../local/provider-choice.ts';
import { KINDS, matrixPolicy } from './kinds.ts';

it('every kind of provider has an alias in the example, which is a policy and can be simulated whole', async () => {
  expect(KINDS.map(({ kind }) => kind).sort()).toEqual(Object.keys(PROVIDERS).sort());
  const chosen = chooseProviders(matrixPolicy(), 'http://127.0.0.1:9', {});
  expect(chosen.simulated).toEqual(KINDS.map(({ kind }) => kind));
  expect(parsePolicy(chosen.text, 'every-provider.yaml')).toMatchObject({ kind: 'ok' });
  await expect(matrixPolicy()).toMatchFileSnapshot('../../../examples/every-provider.yaml');
});
