/** The fields that a translation refuses or leaves out, from the very tables that the code goes by. */
import { FROM_ANTHROPIC, TO_ANTHROPIC } from '../../../core/dialects/anthropic/compatibility.ts';
import { CONVERSE_ROWS } from '../../../core/dialects/bedrock/compatibility-rows.ts';
import {
  CHAT_LOSSES,
  CHAT_TARGET_LOSSES,
  CHAT_WITHHELD,
} from '../../../core/dialects/openai/chat-losses.ts';
import { RESPONSES_FIELDS } from '../../../core/dialects/openai/responses-fields.ts';

interface Row {
  readonly field: string;
  readonly action?: 'refuse' | 'drop';
  readonly outcome?: 'refuse' | 'drop' | 'refused' | 'dropped';
  readonly reason: string;
}

const TABLES: readonly (readonly [string, readonly Row[]])[] = [
  ['A chat request, wherever it goes', CHAT_WITHHELD],
  ['A chat request to a provider of another dialect', CHAT_LOSSES],
  ['A Responses request, wherever it goes', responsesRows('every provider')],
  ['A Responses request to a provider of another dialect', responsesRows('other dialects')],
  ['A Messages request to a provider of another dialect', FROM_ANTHROPIC],
  ['Any other request to a provider that speaks chat', CHAT_TARGET_LOSSES],
  ['Any other request to a provider that speaks Messages', TO_ANTHROPIC],
  ['Any request to Bedrock', CONVERSE_ROWS],
];

function responsesRows(target: (typeof RESPONSES_FIELDS)[number]['target']): readonly Row[] {
  return RESPONSES_FIELDS.filter((row) => row.target === target);
}

export function fieldTables(): string {
  const tables = TABLES.map(([title, rows]) => {
    const lines = rows.map(({ field, action, outcome, reason }) => {
      const isDropped = (action ?? outcome)?.startsWith('drop') === true;
      return `| \`${field}\` | ${isDropped ? 'left out' : 'refused'} | ${reason} |`;
    });
    return `### ${title}\n\n| field | outcome | why |\n|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `## Fields that do not travel everywhere

A field that changes what the answer means is refused by its name; one that only tunes is left out and named in
\`x-tollgate-dropped\`. Where caller and provider speak the same dialect everything else passes untouched.

${tables.join('\n')}`;
}
