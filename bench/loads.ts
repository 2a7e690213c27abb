/**
 * The streams that every target is asked for. The speed is in the upstream model's name, so that the
 * provider acts the same whoever calls it.
 */
export interface Load {
  /** The alias that callers of the gateway use. */
  readonly alias: string;
  /** The model's name at the simulated provider. */
  readonly upstream: string;
  readonly tokens: number;
}

/** Events that carry no token: role, finish, usage, `[DONE]`. */
const OTHER_EVENTS = 4;

/** `paced`: every event is a write of its own, as from a model that thinks. `burst`: one write holds them all. */
export const LOADS = {
  paced50: load('paced-50', { tokens: 50, speed: '+tps=100' }),
  paced300: load('paced-300', { tokens: 300, speed: '+tps=200' }),
  burst50: load('burst-50', { tokens: 50, speed: '' }),
} as const;

export function eventsOf({ tokens }: Load): number {
  return tokens + OTHER_EVENTS;
}

function load(alias: string, { tokens, speed }: { tokens: number; speed: string }): Load {
  return { alias, upstream: `sim-small${speed}+tokens=${tokens}`, tokens };
}
