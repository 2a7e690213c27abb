/** Which providers of the policy are real here (their key is in the environment) and which are simulated. */
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

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
 * Points every provider without a key at the simulated one, under the name of its kind. Only the addresses are
 * replaced, in place, so that numbers stay as written and errors keep their lines. A text that is no policy is left
 * for the gateway to refuse.
 */
export function chooseProviders(
  text: string,
  simulatedUrl: string,
  env: NodeJS.ProcessEnv,
): ChosenPolicy {
  const providers = parseDocument(text, { logLevel: 'silent' }).get('providers', true);
  const simulated: string[] = [];
  const real: string[] = [];
  const edits: Edit[] = [];
  for (const { key, value } of isMap(providers) ? providers.items : []) {
    if (!isScalar(key) || !isMap(value)) continue;
    const name = String(key.value);
    const edit = addressEdit(text, value, simulatedUrl);
    if (apiKeyOf(String(value.get('secret') ?? name), env) !== undefined) real.push(name);
    else if (edit !== undefined) {
      edits.push(edit);
      simulated.push(name);
    }
  }
  let chosen = text;
  for (const { start, end, text: written } of edits.sort((a, b) => b.start - a.start)) {
    chosen = chosen.slice(0, start) + written + chosen.slice(end);
  }
  return { text: chosen, simulated, real };
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Bedrock's address follows from its region where the policy gives none; then one is put before the first field. */
function addressEdit(text: string, provider: YAMLMap, simulatedUrl: string): Edit | undefined {
  const kind = String(provider.get('kind'));
  const url = JSON.stringify(kind === 'openai' ? simulatedUrl : `${simulatedUrl}/${kind}`);
  const address = provider.get('base_url', true);
  if (isScalar(address) && address.range) {
    return { start: address.range[0], end: address.range[1], text: url };
  }
  const first = provider.items[0]?.key;
  if (kind !== 'bedrock' || address !== undefined || !isScalar(first) || !first.range) {
    return undefined;
  }
  const [start] = first.range;
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  const next = provider.flow === true ? ', ' : `\n${' '.repeat(column)}`;
  return { start, end: start, text: `base_url: ${url}${next}` };
}
