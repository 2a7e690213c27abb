/**
 * What differs between the families of models behind the one Converse API, read from the model's id. An
 * application inference profile hides its model in an opaque id, and then counts as of no known family.
 * Sources: Amazon Bedrock user guide, "Prompt caching", "Structured output", "Extended thinking",
 * "Adaptive thinking"; the parameters of each family's page.
 */

export interface ModelRules {
  readonly family: 'claude' | 'nova' | 'gpt-oss' | 'mistral' | 'other';
  /** Where a cache point may stand. A model without caching answers one with 403. */
  readonly cachePoints: 'anywhere' | 'not-in-tools' | 'nowhere';
  /** False where temperature, top_p and top_k are refused. */
  readonly takesSampling: boolean;
  /** False where only one of temperature and top_p may be given. */
  readonly takesTemperatureWithTopP: boolean;
  /** The model decides by itself how much to think. */
  readonly thinksAdaptively: boolean;
  readonly knowsStrictTools: boolean;
}

const PLAIN: ModelRules = {
  family: 'other',
  cachePoints: 'nowhere',
  takesSampling: true,
  takesTemperatureWithTopP: true,
  thinksAdaptively: false,
  knowsStrictTools: false,
};

export function rulesOf(model: string): ModelRules {
  if (model.includes('anthropic.claude')) return claudeRules(claudeVersion(model));
  if (model.includes('amazon.nova'))
    return { ...PLAIN, family: 'nova', cachePoints: 'not-in-tools' };
  if (model.includes('openai.gpt-oss')) return { ...PLAIN, family: 'gpt-oss' };
  if (model.includes('mistral.')) return { ...PLAIN, family: 'mistral' };
  return PLAIN;
}

function claudeRules(version: number): ModelRules {
  return {
    family: 'claude',
    cachePoints: 'anywhere',
    takesSampling: version < 407,
    takesTemperatureWithTopP: version < 401,
    thinksAdaptively: version >= 406,
    knowsStrictTools: version >= 405 && version < 407,
  };
}

/** 406 for Claude 4.6; 300 for the older ones, whose names put the number before the kind. */
function claudeVersion(model: string): number {
  const match = /claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)/.exec(model);
  return match === null ? 300 : Number(match[1]) * 100 + Number(match[2] ?? 0);
}
