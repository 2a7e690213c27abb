#!/usr/bin/env node
/** `tollgate`: governs a deployed gateway, or the local one, through its admin API. */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import { runCli } from './run-cli.ts';

const { stdin, stdout, stderr, env } = process;
const isColoured = stdout.isTTY === true && !env['NO_COLOR'];
const colour = (name: 'green' | 'red' | 'yellow') => (text: string) =>
  isColoured ? styleText(name, text, { validateStream: false }) : text;

// A reader that has seen enough (`| head`) ends the command, and that is no fault.
stdout.on('error', () => process.exit(0));
process.exitCode = await runCli(process.argv.slice(2), {
  env,
  paint: { green: colour('green'), red: colour('red'), yellow: colour('yellow') },
  isInteractive: stdin.isTTY === true && stdout.isTTY === true,
  nowMs: () => Date.now(),
  out: (text) => stdout.write(`${text}\n`),
  note: (text) => stderr.write(`${text}\n`),
  ask,
  readSecret: (question) => (stdin.isTTY ? askHidden(question) : readAll()),
});

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/** What is typed is not shown, and so not in the terminal's memory either. */
async function askHidden(question: string): Promise<string> {
  stderr.write(question);
  const lines = createInterface({ input: stdin, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    stderr.write('\n');
  }
}

async function readAll(): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > 10_000) break;
  }
  return text.trim();
}
