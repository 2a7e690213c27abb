import type { Feature } from './features.ts';
import { fieldTables } from './field-tables.ts';

export interface Outcome {
  readonly client: string;
  readonly kind: string;
  readonly feature: Feature;
  /** Undefined where the cell passes. */
  readonly reason: string | undefined;
}

const INTRODUCTION = `# Compatibility

Which official client works with which kind of provider, feature by feature. This page is written by the tests:
\`npm run compatibility\` runs every cell through the whole gateway on this machine, against simulated providers that are as
strict as the real ones, and a test fails when the page is not what the run gives. A number stands for the reason below.
`;

const MEANINGS = `## What the columns mean

- **text, stream**: word for word what the provider said in its own dialect, with its own count of tokens.
- **tools, parallel tools**: the arguments arrive whole, streamed where they are parallel, and the results get an answer.
- **JSON schema**: the answer satisfies a schema given with the request.
- **image**: a PNG in the request reaches the model.
- **thinking**: thoughts are shown or counted, and a tool's result can follow them.
- **cache**: the second call with the same long instructions tells of tokens read from the provider's cache.
- **error**: a provider's 429 and a stream that breaks in its middle are errors to the client.
- **cancel**: a client that leaves in the middle of a stream finds its call settled and nothing held.
`;

export function compatibilityPage(outcomes: readonly Outcome[]): string {
  const reasons = [...new Set(outcomes.flatMap(({ reason }) => reason ?? []))];
  const clients = [...new Set(outcomes.map(({ client }) => client))];
  const tables = clients.map((client) =>
    table(
      client,
      outcomes.filter((outcome) => outcome.client === client),
      reasons,
    ),
  );
  const notes = reasons.map((reason, index) => `${index + 1}. ${reason}`);
  const why = notes.length === 0 ? [] : [`## Why not\n\n${notes.join('\n')}\n`];
  return [INTRODUCTION, ...tables, ...why, MEANINGS, fieldTables()].join('\n');
}

function table(client: string, outcomes: readonly Outcome[], reasons: readonly string[]): string {
  const features = [...new Set(outcomes.map(({ feature }) => feature))];
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => {
    const cells = features.map((feature) => {
      const outcome = outcomes.find((each) => each.kind === kind && each.feature === feature);
      return outcome?.reason === undefined ? 'yes' : `(${reasons.indexOf(outcome.reason) + 1})`;
    });
    return `| ${[kind, ...cells].join(' | ')} |`;
  });
  const header = `| ${['provider', ...features].join(' | ')} |`;
  const rule = `|${'---|'.repeat(features.length + 1)}`;
  return `## ${client}\n\n${[header, rule, ...rows].join('\n')}\n`;
}
