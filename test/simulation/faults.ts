/** How often things go wrong, as shares of the operations concerned. */
export interface Faults {
  /**
   * Attempts to write that the table refuses. After half of them, and of those without an answer, the process
   * cannot reach that account for longer than its patience lasts.
   */
  readonly throttles: number;
  /** Attempts that get no answer in time. Half of them are applied, some of those after the next attempt or the last. */
  readonly timeouts: number;
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
  crashes: 0.01,
  lostEvents: 0.005,
  runaways: 0.02,
  clockSkewMs: 2_000,
};
