import { join } from 'node:path';

/** The folder of package.json, so that synth does not depend on the directory it is started in. */
export const projectRoot = join(import.meta.dirname, '..');
