/**
 * What a Claude model accepts of thinking and sampling changed twice: models up to 4.5 think within a
 * budget, 4.6 also adapts by itself, and later ones only adapt and take no sampling parameters at all.
 * Source: Anthropic, "Adaptive thinking" and the migration guides to 4.6 and 4.7 (2026).
 */
export interface Generation {
  readonly thinks: 'in-budget' | 'adaptively';
  readonly takesSampling: boolean;
  /** The highest effort that it knows below `max`. */
  readonly highEffort: 'high' | 'xhigh';
}

/** By the model's name at the provider. Servers with models of other makers follow the oldest rules. */
export function generationOf(model: string): Generation {
  const version = versionOf(model);
  if (version <= 405) return { thinks: 'in-budget', takesSampling: true, highEffort: 'high' };
  if (version === 406) return { thinks: 'adaptively', takesSampling: true, highEffort: 'high' };
  return { thinks: 'adaptively', takesSampling: false, highEffort: 'xhigh' };
}

/** `claude-opus-4-7` is 407; a date behind the name is no part of it. */
function versionOf(model: string): number {
  const [, major, minor = '0'] = /claude-[a-z]+-(\d+)(?:-(\d{1,2}))?(?!\d)/.exec(model) ?? [];
  if (major !== undefined) return Number(major) * 100 + Number(minor);
  return /claude-[a-z]+-[a-z]/.test(model) ? Number.POSITIVE_INFINITY : 0;
}
