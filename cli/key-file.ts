/** A secret that is shown once: on a line of its own, or into a file that its owner alone may read. */
import { writeFileSync } from 'node:fs';
import { CliError } from './cli-error.ts';
import { textOf, type Values } from './command.ts';

export const KEY_FILE = {
  'key-file': {
    value: 'file',
    about: 'write the secret into this new file, and not to the screen',
  },
};

export function secretText(values: Values, secret: string): string {
  const file = textOf(values, 'key-file');
  if (file === undefined) return `The secret, shown this once:\n${secret}`;
  try {
    // Never over a file that is there: it may be the key that is still in use, or readable by others.
    writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(
      `The secret is made, but not written (${why}). It is, this once:\n${secret}`,
      {
        code: 'key_file',
      },
    );
  }
  return `The secret is in ${file}.`;
}
