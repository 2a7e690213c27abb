/** How often things go wrong, as shares of the operations concerned. */
export interface Faults {
  /** Writes that the table refuses for good, the client's retries included. */
  readonly throttles: number;
  /** Writes that get no answer in time. Half of them are applied, some of those after the caller gave up. */
  readonly timeouts: number;
  /** Writes that the client sends twice because the first answer was lost. */
  readonly duplicates: number;
  /** Calls whose environment dies at one of its awaits. */
  readonly crashes: number;
  /** Usage events that the stream does not take, or takes without saying so. */
  readonly lostEvents: number;
  /** Answers of a provider that ignores the maximum of output tokens. */
  readonly runaways: number;
  /** Environments' clocks are off by at most so much, in milliseconds. */
  readonly clockSkewMs: number;
}

/** The rates that the project's figures are promised under. */
export const PROMISED_FAULTS: Faults = {
  throttles: 0.05,
  timeouts: 0.05,
  duplicates: 0.01,
  crashes: 0.01,
  lostEvents: 0.005,
  runaways: 0.02,
  clockSkewMs: 2_000,
};
