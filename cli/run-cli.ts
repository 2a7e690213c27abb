/** One call of `tollgate`: finds the command, reads its options, runs it, prints its outcome. Gives the exit code. */
import { parseArgs } from 'node:util';
import { createAdminClient } from './admin-client.ts';
import { CliError } from './cli-error.ts';
import type { Command, Option, Outcome, Terminal, Values } from './command.ts';
import { isOn, textOf } from './command.ts';
import { COMMANDS } from './commands.ts';
import { findConnection, storeLogin, urlForLogin, type Wanted } from './connection.ts';
import type { Paint } from './format.ts';
import { helpOf, overview } from './help.ts';

export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly paint: Paint;
  readonly isInteractive: boolean;
  readonly nowMs: () => number;
  readonly out: (text: string) => void;
  readonly note: (text: string) => void;
  readonly ask: (question: string) => Promise<string>;
  readonly readSecret: (question: string) => Promise<string>;
}

const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  url: { value: 'url', about: 'the gateway (or TOLLGATE_URL)' },
  profile: { value: 'name', about: 'the login to use (or TOLLGATE_PROFILE)' },
  data: { value: 'folder', about: 'of the local instance (.tollgate)' },
  json: { about: 'print the answer of the API as JSON' },
  help: { about: 'print this' },
};

export async function runCli(args: readonly string[], around: Surroundings): Promise<number> {
  const isJson = args.includes('--json');
  try {
    const command = commandOf(args);
    if (command === undefined) {
      around.out(overview(COMMANDS, args[0] ?? ''));
      return 0;
    }
    const read = readOptions(command, args.slice(command.name.split(' ').length));
    if (isOn(read.values, 'help')) {
      around.out(helpOf(command, COMMON_OPTIONS));
      return 0;
    }
    const { json, text, exitCode = 0 } = await run(command, read, around);
    around.out(isJson ? JSON.stringify(json, null, 2) : text);
    return exitCode;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const { code, message, details } = error;
    if (isJson) around.out(JSON.stringify({ error: { code, message, ...details } }, null, 2));
    else around.note(around.paint.red(`tollgate: ${message}`));
    return 1;
  }
}

/** Undefined where only help is asked for. Throws CliError where no command has such a name. */
function commandOf(args: readonly string[]): Command | undefined {
  const found = COMMANDS.filter(({ name }) =>
    name.split(' ').every((word, index) => args[index] === word),
  ).toSorted((a, b) => b.name.length - a.name.length)[0];
  if (found !== undefined) return found;
  const firstOption = args.findIndex((arg) => arg.startsWith('-'));
  const words = firstOption === -1 ? args : args.slice(0, firstOption);
  const [group = 'help'] = words;
  const isGroup = COMMANDS.some(({ name }) => name.startsWith(`${group} `));
  if (group === 'help' || (isGroup && words.length === 1)) return undefined;
  const asked = words.slice(0, 2).join(' ');
  throw new CliError(`There is no "${asked}". "tollgate --help" lists what there is.`);
}

interface Read {
  readonly values: Values;
  readonly positionals: readonly string[];
}

function readOptions({ name, options = {} }: Command, args: readonly string[]): Read {
  const config = Object.fromEntries(
    Object.entries({ ...COMMON_OPTIONS, ...options }).map(([option, { value, isRepeatable }]) => [
      option,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: isRepeatable === true,
      },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options: config, allowPositionals: true });
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw new CliError(`${why}. "tollgate ${name} --help" shows what it takes.`);
  }
}

function run(
  command: Command,
  { values, positionals }: Read,
  around: Surroundings,
): Promise<Outcome> {
  const { env, paint, isInteractive, nowMs, out, note, ask, readSecret } = around;
  const wanted: Wanted = {
    url: textOf(values, 'url'),
    profile: textOf(values, 'profile') ?? env['TOLLGATE_PROFILE'],
    dataDir: textOf(values, 'data') ?? '.tollgate',
    env,
  };
  const isJson = isOn(values, 'json');
  const terminal: Terminal = {
    paint,
    isInteractive,
    isJson,
    nowMs,
    readSecret,
    confirm: async (question) => /^y(es)?$/i.test((await ask(`${question} [y/N] `)).trim()),
    print: (line) => (isJson ? undefined : out(line)),
    note,
  };
  return command.run({
    values,
    positionals,
    terminal,
    admin: () => createAdminClient(findConnection(wanted)),
    loginUrl: () => urlForLogin(wanted),
    keep: (connection) => storeLogin(wanted, connection),
  });
}
