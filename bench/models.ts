/**
 * The models that the simulated provider of the bench knows. Callers of a gateway use the same names: every alias of
 * the policy leads to the model of its own name.
 */
export interface Model {
  readonly name: string;
  readonly tokens: number;
  readonly gapMs: number;
}

/** Events of a stream that carry no token: role, finish, usage, `[DONE]`. */
const OTHER_EVENTS = 4;

export const MODELS = {
  /** Every token is a write of its own, as from a model that thinks. */
  paced: model(50, 10),
  short: model(5, 5),
  saturated: model(50, 0),
  /** Open for most of a second with few events: many at once cost little but their holds. */
  slow: model(3, 400),
} as const;

/** The name, the tokens and the milliseconds between them. */
export const MODEL_IN_BODY = /"model":"(stamped-(\d+)-(\d+))"/;

/** Where the provider says at which moments its last answers ended, early or not, since it was last asked. */
export const ENDINGS_PATH = '/endings';

export function eventsOf({ tokens }: Model): number {
  return tokens + OTHER_EVENTS;
}

function model(tokens: number, gapMs: number): Model {
  return { name: `stamped-${tokens}-${gapMs}`, tokens, gapMs };
}
