/** What a command could not do, told to who called it together with what helps. */
export class CliError extends Error {
  /** As the API names it; `usage` where the command line itself is wrong. */
  readonly code: string;
  /** The API's own answer, for `--json`. */
  readonly details: object | undefined;

  constructor(
    message: string,
    { code = 'usage', details }: { code?: string; details?: object } = {},
  ) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
