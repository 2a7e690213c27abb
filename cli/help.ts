/** What `--help` prints. */
import type { Command, Option } from './command.ts';
import { table } from './table.ts';

/** Of all commands, or of those of one group (`keys`). */
export function overview(commands: readonly Command[], group: string): string {
  const inGroup = commands.filter(({ name }) => name.startsWith(`${group} `));
  const shown = inGroup.length > 0 ? inGroup : commands;
  const list = table<Command>(
    [
      { title: 'command', cell: ({ name, takes = '' }) => `tollgate ${name} ${takes}`.trim() },
      { title: '', cell: ({ about }) => about },
    ],
    shown,
    '',
  );
  return `${list}

Each has --help and --json. It talks to --url (TOLLGATE_URL) with TOLLGATE_ADMIN_KEY, to where you are
logged in (tollgate login), or to the local instance (npm start). It ends with 0, or with 1 and a
message that says what to do.`;
}

export function helpOf(command: Command, common: Readonly<Record<string, Option>>): string {
  const { name, takes = '', about, options = {} } = command;
  const all = Object.entries({ ...options, ...common });
  const list = table<readonly [string, Option]>(
    [
      {
        title: 'option',
        cell: ([option, { value }]) => `--${option}${value === undefined ? '' : ` <${value}>`}`,
      },
      {
        title: '',
        cell: ([, { about: what, isRepeatable }]) => what + (isRepeatable ? ' (repeatable)' : ''),
      },
    ],
    all,
    '',
  );
  return `${`tollgate ${name} ${takes}`.trim()} [options]\n\n${about}\n\n${list}`;
}
