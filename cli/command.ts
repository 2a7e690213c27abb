/** What a command of `tollgate` is. Each one is a file in commands/; the table of them is commands.ts. */
import type { AdminClient } from './admin-client.ts';
import { CliError } from './cli-error.ts';
import type { Connection } from './connection.ts';
import type { Paint } from './format.ts';

export interface Option {
  /** What it takes, in its help; a switch takes nothing. */
  readonly value?: string;
  readonly about: string;
  readonly isRepeatable?: true;
}

export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Command {
  readonly name: string;
  /** Its positional arguments, as its help shows them. */
  readonly takes?: string;
  readonly about: string;
  readonly options?: Readonly<Record<string, Option>>;
  readonly run: (input: Input) => Promise<Outcome>;
}

export interface Input {
  readonly values: Values;
  readonly positionals: readonly string[];
  /** Found when it is first asked for: some commands need no gateway. */
  readonly admin: () => AdminClient;
  /** Where a login goes that names no address. */
  readonly loginUrl: () => string;
  /** Keeps it as the login of the profile; gives the file's name. */
  readonly keep: (connection: Connection) => string;
  readonly terminal: Terminal;
}

export interface Outcome {
  /** What `--json` prints: the API's own answer, in the form of docs/openapi.json. */
  readonly json: object;
  readonly text: string;
  readonly exitCode?: number;
}

export interface Terminal {
  readonly paint: Paint;
  readonly isInteractive: boolean;
  readonly isJson: boolean;
  readonly nowMs: () => number;
  /** All of standard input, or what is typed without being shown. */
  readonly readSecret: (question: string) => Promise<string>;
  readonly confirm: (question: string) => Promise<boolean>;
  /** A line ahead of the outcome. */
  readonly print: (line: string) => void;
  /** To standard error, which no program reads. */
  readonly note: (line: string) => void;
}

export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function neededText(values: Values, name: string): string {
  const value = textOf(values, name);
  if (value === undefined || value === '') throw new CliError(`--${name} is missing.`);
  return value;
}

export function isOn(values: Values, name: string): boolean {
  return values[name] === true;
}

/** Given more than once, or with commas; undefined where it is not given. */
export function listOf(values: Values, name: string): string[] | undefined {
  const value = values[name];
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((each) => (typeof each === 'string' ? each.split(',') : []));
}

export function onlyPositional({ positionals }: Input, what: string): string {
  const [first, ...more] = positionals;
  if (first === undefined || more.length > 0) throw new CliError(`Name ${what}, and only that.`);
  return first;
}
