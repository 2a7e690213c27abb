/** One stage as templates, synthesized without bundling, credentials or network. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import * as z from 'zod';
import { projectRoot } from '../../lib/project-root.ts';
import { parseStageConfig } from '../../lib/stage-config.ts';
import { createTollgateApp } from '../../lib/tollgate-app.ts';

export interface Synthesized {
  readonly data: Template;
  readonly gateway: Template;
  readonly inference: Template | undefined;
}

/** The dev stage, or what it becomes when `edits` (found text -> new text) are made to its file. */
export function synthesize(
  edits: Readonly<Record<string, string>> = {},
  checkRules = false,
): Synthesized {
  const outputFolder = mkdtempSync(join(tmpdir(), 'tollgate-synth-'));
  try {
    const config = parseStageConfig({
      stage: 'dev',
      file: 'config/dev.yaml',
      text: editedDevConfig(edits),
    });
    const context = { 'aws:cdk:bundling-stacks': [] };
    const assembly = createTollgateApp({ config, outputFolder, checkRules, context }).synth();
    const template = (name: string) =>
      Template.fromJSON(assembly.getStackByName(`tollgate-dev-${name}`).template);
    return {
      data: template('data'),
      gateway: template('gateway'),
      inference: config.inference.enabled ? template('inference') : undefined,
    };
  } finally {
    rmSync(outputFolder, { recursive: true });
  }
}

/** Throws when the text to replace is not there, so that no test silently tests the unedited stage. */
export function editedDevConfig(edits: Readonly<Record<string, string>>): string {
  let text = readFileSync(join(projectRoot, 'config/dev.yaml'), 'utf8');
  for (const [found, replacement] of Object.entries(edits)) {
    if (!text.includes(found)) throw new Error(`config/dev.yaml holds no ${JSON.stringify(found)}`);
    text = text.replace(found, replacement);
  }
  return text;
}

export const MANAGED_INSTANCES = {
  'kind: lambda\n  memoryMb: 512':
    'kind: managed-instances\n  memoryMb: 4096\n  instanceTypes: [c7g.4xlarge]\n  maxVcpus: 128\n  streamsPerEnvironment: 64\n  minEnvironments: 3\n  maxEnvironments: 100',
};

export const INFERENCE = {
  'enabled: false': 'enabled: true\n  model: Qwen/Qwen3-8B\n  instanceTypes: [g6e.*]\n  tasks: 2',
};

const resourceSchema = z.object({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  DeletionPolicy: z.string().optional(),
});
export type Resource = z.infer<typeof resourceSchema>;

/** The resources of one type by logical id. */
export function resources(template: Template, type: string): Map<string, Resource> {
  return new Map(
    Object.entries(z.record(z.string(), resourceSchema).parse(template.findResources(type))),
  );
}

const statementSchema = z.object({
  Effect: z.string(),
  Action: z.union([z.string(), z.array(z.string())]).transform((action) => [action].flat()),
  Resource: z.unknown(),
  Condition: z.unknown().optional(),
});
export type Statement = z.infer<typeof statementSchema>;

/** The statements of the IAM policies whose logical id begins with `prefix`. */
export function statements(template: Template, prefix = ''): Statement[] {
  const policySchema = z.object({
    PolicyDocument: z.object({ Statement: z.array(statementSchema) }),
  });
  return [...resources(template, 'AWS::IAM::Policy')]
    .filter(([id]) => id.startsWith(prefix))
    .flatMap(([, { Properties }]) => policySchema.parse(Properties).PolicyDocument.Statement);
}
