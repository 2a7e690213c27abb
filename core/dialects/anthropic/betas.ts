/**
 * Which of the provider's beta features a caller may turn on by `anthropic-beta`: those that change neither
 * what a call costs nor what it reaches. Of the others the call is told in `x-tollgate-dropped`.
 * Source: the names that Anthropic's SDK 1.11 and documentation list (2026-11).
 */
const ALLOWED: ReadonlySet<string> = new Set([
  'claude-code-20250219',
  'context-management-2025-06-27',
  'effort-2025-11-24',
  'extended-cache-ttl-2025-04-11',
  'fine-grained-tool-streaming-2025-05-14',
  'interleaved-thinking-2025-05-14',
  'model-context-window-exceeded-2025-08-26',
  'output-128k-2025-02-19',
  'prompt-caching-2024-07-31',
  'structured-outputs-2025-11-13',
  'thinking-display-updates-2026-08-18',
  'thinking-token-count-2026-05-13',
  'token-counting-2024-11-01',
  'token-efficient-tools-2025-02-19',
]);

const MAX_BETAS = 32;

export interface Betas {
  /** To send on. */
  readonly headers: Readonly<Record<string, string>>;
  readonly dropped: readonly string[];
}

export function readBetas(header: string | undefined): Betas {
  const names = (header ?? '').split(',').map((name) => name.trim());
  const given = names.filter((name) => /^[a-z0-9-]{1,64}$/.test(name)).slice(0, MAX_BETAS);
  const allowed = given.filter((name) => ALLOWED.has(name));
  return {
    headers: allowed.length === 0 ? {} : { 'anthropic-beta': allowed.join(',') },
    dropped: given.filter((name) => !ALLOWED.has(name)).map((name) => `anthropic-beta:${name}`),
  };
}
