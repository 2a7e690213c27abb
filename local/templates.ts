/**
 * Reads a synthesized cloud assembly: the resources of all its stacks with every reference resolved to local names.
 * The templates stay the only description of the system.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { resolveIntrinsics, type Scope } from './templates/intrinsics.ts';
import { type Physical, type Place, physicalOf, type Resource } from './templates/physical.ts';

export interface LocalResource {
  readonly stack: string;
  readonly logicalId: string;
  readonly type: string;
  readonly name: string;
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Resolved; deployers parse what they need. */
  readonly properties: unknown;
}

export interface Assembly {
  readonly resources: readonly LocalResource[];
  readonly place: Place;
  /** Folder of a file asset by its object key. */
  assetDir(objectKey: string): string;
}

export interface AssemblyOptions {
  readonly queueUrl: (name: string) => string;
  /** Types whose properties nobody reads stay unresolved. */
  readonly isIgnored: (type: string) => boolean;
}

const ACCOUNT_ID = '000000000000';
const DEFAULT_REGION = 'us-east-1';

const manifestSchema = z.object({
  artifacts: z.record(
    z.string(),
    z.object({
      type: z.string(),
      environment: z.string().optional(),
      properties: z
        .looseObject({ templateFile: z.string().optional(), stackName: z.string().optional() })
        .optional(),
    }),
  ),
});

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Condition: z.string().optional(),
      Properties: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
  Parameters: z.record(z.string(), z.object({ Default: z.unknown() })).default({}),
  Conditions: z.record(z.string(), z.unknown()).default({}),
  Outputs: z
    .record(
      z.string(),
      z.object({ Value: z.unknown(), Export: z.object({ Name: z.unknown() }).optional() }),
    )
    .default({}),
});
type Template = z.infer<typeof templateSchema>;

const assetsSchema = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.object({ path: z.string().optional() }),
      destinations: z.record(z.string(), z.object({ objectKey: z.string() })),
    }),
  ),
});

export function readAssembly(folder: string, options: AssemblyOptions): Assembly {
  const { artifacts, stacks } = readManifest(folder);
  const place: Place = { ...readPlace(folder), queueUrl: options.queueUrl };
  const all = new Map<string, StackReader>();
  for (const [id, { properties }] of stacks) {
    const template = readJson(
      join(folder, properties?.templateFile ?? `${id}.template.json`),
      templateSchema,
    );
    const name = properties?.stackName ?? id;
    all.set(name, new StackReader({ name, template, place, all }));
  }
  return {
    place,
    resources: [...all.values()].flatMap((stack) => stack.resources(options.isIgnored)),
    assetDir: assetFinder(folder, Object.keys(artifacts)),
  };
}

/** The manifest says `aws://account/region`, with `unknown-...` for what the stage's config leaves open. */
export function readPlace(folder: string): { region: string; accountId: string } {
  const environment = readManifest(folder).stacks[0]?.[1].environment ?? '';
  const [, accountId = '', region = ''] = /^aws:\/\/([^/]+)\/(.+)$/.exec(environment) ?? [];
  return {
    accountId: /^\d{12}$/.test(accountId) ? accountId : ACCOUNT_ID,
    region: region === '' || region.startsWith('unknown') ? DEFAULT_REGION : region,
  };
}

function readManifest(folder: string) {
  const { artifacts } = readJson(join(folder, 'manifest.json'), manifestSchema);
  const stacks = Object.entries(artifacts).filter(
    ([, artifact]) => artifact.type === 'aws:cloudformation:stack',
  );
  return { artifacts, stacks };
}

interface StackInput {
  readonly name: string;
  readonly template: Template;
  readonly place: Place;
  /** The stack itself and its neighbours, by name. */
  readonly all: ReadonlyMap<string, StackReader>;
}

class StackReader implements Scope {
  readonly #input: StackInput;
  readonly #physical = new Map<string, Physical>();

  constructor(input: StackInput) {
    this.#input = input;
  }

  resources(isIgnored: (type: string) => boolean): LocalResource[] {
    const { name: stack, template } = this.#input;
    return Object.entries(template.Resources)
      .filter(
        ([, { Type, Condition }]) =>
          !isIgnored(Type) && (Condition === undefined || this.condition(Condition)),
      )
      .map(([logicalId, { Type, Properties }]) => ({
        stack,
        logicalId,
        type: Type,
        ...this.#physicalOf(logicalId),
        properties: resolveIntrinsics(Properties, this),
      }));
  }

  ref(name: string): unknown {
    const { place, template } = this.#input;
    const pseudo: Readonly<Record<string, string>> = {
      'AWS::Region': place.region,
      'AWS::AccountId': place.accountId,
      'AWS::Partition': 'aws',
      'AWS::URLSuffix': 'amazonaws.com',
      'AWS::StackName': this.#input.name,
      'AWS::StackId': `arn:aws:cloudformation:${place.region}:${place.accountId}:stack/${this.#input.name}/local`,
    };
    if (name in template.Resources) return this.#physicalOf(name).ref;
    return pseudo[name] ?? template.Parameters[name]?.Default;
  }

  attribute(logicalId: string, attribute: string): string {
    const value = this.#physicalOf(logicalId).attributes[attribute];
    if (value === undefined) {
      const type = this.#input.template.Resources[logicalId]?.Type;
      throw new Error(
        `the local deployment does not know the attribute ${attribute} of ${type} ${logicalId}`,
      );
    }
    return value;
  }

  condition(name: string): boolean {
    return resolveIntrinsics(this.#input.template.Conditions[name], this) === true;
  }

  exportedValue(name: string): unknown {
    for (const stack of this.#input.all.values()) {
      const exported = stack.#exported(name);
      if (exported !== undefined) return exported;
    }
    throw new Error(`no stack exports ${name}`);
  }

  stackOutput(stack: string, output: string): unknown {
    const value = this.#input.all.get(stack)?.output(output);
    if (value === undefined) throw new Error(`no stack ${stack} has an output ${output}`);
    return value;
  }

  output(name: string): unknown {
    return resolveIntrinsics(this.#input.template.Outputs[name]?.Value, this);
  }

  #exported(name: string): unknown {
    const outputs = Object.entries(this.#input.template.Outputs);
    const match = outputs.find(
      ([, { Export }]) => Export && resolveIntrinsics(Export.Name, this) === name,
    );
    return match && this.output(match[0]);
  }

  #physicalOf(logicalId: string): Physical {
    const known = this.#physical.get(logicalId);
    if (known !== undefined) return known;
    const described = this.#input.template.Resources[logicalId];
    if (described === undefined)
      throw new Error(`${logicalId} is not a resource of ${this.#input.name}`);
    const resource: Resource = {
      stack: this.#input.name,
      logicalId,
      type: described.Type,
      property: (name) => resolveIntrinsics(described.Properties[name], this),
    };
    const physical = physicalOf(resource, this.#input.place);
    this.#physical.set(logicalId, physical);
    return physical;
  }
}

function assetFinder(
  folder: string,
  artifactIds: readonly string[],
): (objectKey: string) => string {
  const dirs = new Map<string, string>();
  for (const id of artifactIds.filter((each) => each.endsWith('.assets'))) {
    const { files } = readJson(join(folder, `${id}.json`), assetsSchema);
    for (const { source, destinations } of Object.values(files)) {
      for (const { objectKey } of Object.values(destinations)) {
        if (source.path !== undefined) dirs.set(objectKey, join(folder, source.path));
      }
    }
  }
  return (objectKey) => {
    const dir = dirs.get(objectKey);
    if (dir === undefined) throw new Error(`the cloud assembly has no asset ${objectKey}`);
    return dir;
  };
}

function readJson<T>(file: string, schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
}
