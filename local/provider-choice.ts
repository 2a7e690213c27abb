/** Which providers of the policy are real here (their key is in the environment) and which are simulated. */
import { isMap, isScalar, parseDocument } from 'yaml';

export interface ChosenPolicy {
  readonly text: string;
  readonly simulated: readonly string[];
  readonly real: readonly string[];
}

/** The key of the secret `openai` is OPENAI_API_KEY. A provider without a secret goes by its own name. */
export function apiKeyOf(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return env[`${name.toUpperCase().replaceAll('-', '_')}_API_KEY`] || undefined;
}

/**
 * Points every provider without a key at the simulated one. Only the addresses are replaced, in place, so that numbers
 * stay as written and errors keep their lines. A text that is no policy is left for the gateway to refuse.
 */
export function chooseProviders(
  text: string,
  simulatedUrl: string,
  env: NodeJS.ProcessEnv,
): ChosenPolicy {
  const providers = parseDocument(text, { logLevel: 'silent' }).get('providers', true);
  const simulated: string[] = [];
  const real: string[] = [];
  const addresses: (readonly [start: number, end: number])[] = [];
  for (const { key, value } of isMap(providers) ? providers.items : []) {
    if (!isScalar(key) || !isMap(value)) continue;
    const name = String(key.value);
    const address = value.get('base_url', true);
    if (apiKeyOf(String(value.get('secret') ?? name), env) !== undefined) real.push(name);
    else if (isScalar(address) && address.range) {
      addresses.push([address.range[0], address.range[1]]);
      simulated.push(name);
    }
  }
  let chosen = text;
  for (const [start, end] of addresses.sort(([a], [b]) => b - a)) {
    chosen = chosen.slice(0, start) + JSON.stringify(simulatedUrl) + chosen.slice(end);
  }
  return { text: chosen, simulated, real };
}
