/** The policy file as far as its names go, forgiving everything else; and what is found wrong with them. */
import * as z from 'zod';
import { TIERS } from './access-schema.ts';
import type { Path } from './yaml-tree.ts';

/** Something that the policy file gets wrong at a path; `candidates` are the names that would have fitted. */
export interface Finding {
  readonly path: Path;
  readonly part: 'name' | 'value';
  readonly expected: string;
  readonly candidates?: readonly string[];
}

const text = z.string().optional().catch(undefined);
const texts = z.array(text).optional().catch(undefined);

function lenient<T extends z.ZodRawShape>(shape: T) {
  return z.object(shape).optional().catch(undefined);
}

function named<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value).optional().catch(undefined);
}

export const outlineSchema = lenient({
  providers: named(lenient({ base_url: text, price_book: text })),
  alert_channels: named(z.unknown()),
  alerts: lenient({ notify: texts }),
  sso: named(
    lenient({
      models: texts,
      rules: z
        .array(lenient({ tenant: text, team: text, project: text }))
        .optional()
        .catch(undefined),
    }),
  ),
  models: named(
    lenient({
      deprecated: lenient({ replacement: text }),
      tier: z.enum(TIERS).optional().catch(undefined),
      routes: z
        .array(lenient({ provider: text, model: text, price: z.unknown().optional(), free: text }))
        .optional()
        .catch(undefined),
    }),
  ),
  tenants: named(
    lenient({
      alerts: lenient({ notify: texts }),
      models: texts,
      data_may_go_to: lenient({ providers: texts }),
      teams: named(
        lenient({
          tiers: texts,
          tier_limits: named(z.unknown()),
          models: texts,
          alerts: lenient({ notify: texts }),
        }),
      ),
      projects: named(lenient({ team: text })),
      keys: named(lenient({ project: text, secret: text, models: texts })),
    }),
  ),
});

export type Outline = NonNullable<z.infer<typeof outlineSchema>>;
export type FileTenant = NonNullable<NonNullable<Outline['tenants']>[string]>;
export type FileTeam = NonNullable<NonNullable<FileTenant['teams']>[string]>;

export interface Declared {
  readonly what: string;
  /** Undefined where the section itself is missing or broken, which is reported on its own. */
  readonly names: Readonly<Record<string, unknown>> | undefined;
}

export function reference(
  name: string | undefined,
  path: Path,
  { what, names }: Declared,
): Finding[] {
  if (name === undefined || names === undefined || Object.hasOwn(names, name)) return [];
  return [{ path, part: 'value', expected: what, candidates: Object.keys(names) }];
}

export function entries<T>(
  record: Readonly<Record<string, T | undefined>> | undefined,
): [string, T][] {
  return Object.entries(record ?? {}).flatMap(([name, value]): [string, T][] =>
    value === undefined ? [] : [[name, value]],
  );
}
