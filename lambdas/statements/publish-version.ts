/**
 * Statements have versions, and a version is never replaced: the same figures are published once, other figures are the
 * next version. A version is claimed by an object that only one run can write and that names its figures, so
 * a run that died half-way is finished by the next, and two runs at once publish one version. Mail may come twice
 * where a run dies between sending and marking; figures never differ within a version.
 */
import { createHash } from 'node:crypto';
import type { Objects, StoredObject } from '../adapters/objects.ts';

export interface Statement {
  /** Folder in the bucket, with a slash at its end. */
  readonly folder: string;
  /** What two equal statements have in common, and two different ones have not. */
  readonly content: string;
  readonly filesOf: (version: number) => Readonly<Record<string, StoredObject>>;
  /** `places`: where the files are, for people and for programs. */
  readonly messageOf: (version: number, places: string) => Promise<void>;
}

export interface PublishedVersion {
  readonly version: number;
  /** False where the version had been published before. */
  readonly isNew: boolean;
}

const MAX_VERSIONS = 1_000;

export async function publishVersion(
  objects: Objects,
  statement: Statement,
): Promise<PublishedVersion> {
  const version = await claim(objects, statement);
  const folder = `${statement.folder}v${version}/`;
  if ((await objects.read(`${folder}${PUBLISHED}`)) !== undefined) return { version, isNew: false };
  for (const [name, file] of Object.entries(statement.filesOf(version)))
    await objects.put(`${folder}${name}`, file);
  const places = [
    `Files: ${objects.address(folder)}`,
    `To open them: ${await objects.consoleUrl(folder)}`,
  ];
  await statement.messageOf(version, places.join('\n'));
  await objects.putIfAbsent(`${folder}${PUBLISHED}`, 'published');
  return { version, isNew: true };
}

const CLAIM = 'figures.sha256';
const PUBLISHED = 'published';

/** The last version where it has these figures, or a new one. */
async function claim(objects: Objects, { folder, content }: Statement): Promise<number> {
  const digest = createHash('sha256').update(content).digest('hex');
  let last: string | undefined;
  for (let version = 1; version <= MAX_VERSIONS; version += 1) {
    const key = `${folder}v${version}/${CLAIM}`;
    const figures = await objects.read(key);
    if (figures === undefined) {
      if (last === digest) return version - 1;
      if (await objects.putIfAbsent(key, digest)) return version;
      throw new Error(`another run publishes ${folder}v${version} at this moment`);
    }
    last = figures;
  }
  throw new Error(`${folder} has ${MAX_VERSIONS} versions`);
}
