import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { CliError } from '../cli-error.ts';
import { type Command, isOn, onlyPositional, textOf } from '../command.ts';
import { localTime } from '../format.ts';
import { readScope } from '../scope.ts';
import { table } from '../table.ts';

const denialSchema = z.looseObject({
  window: z.string(),
  model: z.string(),
  dimension: z.string(),
  calls: z.number(),
});
type Denial = z.infer<typeof denialSchema>;
const answerSchema = z.looseObject({ denials: z.array(denialSchema) });

const DEFAULT_EVERY_SECONDS = 5;

export const tail: Command = {
  name: 'tail',
  takes: '<tenant/team>',
  about: 'Calls that limits refused, as the usage monitor counts them: some seconds after.',
  options: {
    once: { about: 'what there is of the last minutes, and no more' },
    minutes: { value: 'number', about: 'how far back it begins (30, at most 1440)' },
    every: { value: 'seconds', about: `how often it looks (${DEFAULT_EVERY_SECONDS})` },
  },
  async run(input) {
    const { tenantId, teamId, projectId } = readScope(onlyPositional(input, 'one tenant/team'));
    if (teamId === undefined || projectId !== undefined)
      throw new CliError('Name a tenant/team: denials are counted by team.');
    const { values, terminal } = input;
    const client = input.admin();
    const look = async () => {
      const query = { tenantId, teamId, minutes: textOf(values, 'minutes') };
      return (await client.call('GET /denials', answerSchema, { query })).body.denials;
    };
    const seen = new Map<string, number>();
    const everyMs = secondsOf(textOf(values, 'every')) * 1_000;
    // What is printed once is a table; what goes on is a line for each that is new.
    while (!isOn(values, 'once')) {
      for (const line of news(seen, await look())) terminal.print(line);
      await sleep(everyMs);
    }
    const denials = await look();
    return { json: { denials }, text: denialTable(denials) };
  },
};

function secondsOf(text = String(DEFAULT_EVERY_SECONDS)): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 1) return seconds;
  throw new CliError('--every takes a number of seconds, at least 1.');
}

/** Lines for what has been added since it was last seen. */
export function news(seen: Map<string, number>, denials: readonly Denial[]): string[] {
  return denials.flatMap(({ window, model, dimension, calls }) => {
    const place = JSON.stringify([window, model, dimension]);
    const added = calls - (seen.get(place) ?? 0);
    seen.set(place, calls);
    return added > 0 ? [`${localTime(window)}  ${model}  ${dimension}  +${added}`] : [];
  });
}

function denialTable(denials: readonly Denial[]): string {
  return table<Denial>(
    [
      { title: 'five minutes from', cell: ({ window }) => localTime(window) },
      { title: 'model', cell: ({ model }) => model },
      { title: 'dimension', cell: ({ dimension }) => dimension },
      { title: 'calls', align: 'right', cell: ({ calls }) => String(calls) },
    ],
    denials,
    'Nothing was refused.',
  );
}
