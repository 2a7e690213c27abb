/** How one model is spelled at its provider: with and without region, version and date. */

/** Bedrock: `-v1:0`. */
const VERSION = /-v\d+(?::\d+)?$/;
/** A dated snapshot is billed as its model, unless the book holds it under a name of its own. */
const DATE = /[-@](?:\d{8}|\d{4}-\d{2}-\d{2})$/;
/** A regional profile of Bedrock. `global.` is none of them: it has prices of its own. */
const REGION = /^(?:us-gov|us|eu|apac|au|jp|ca|in)\.(?=[a-z0-9-]+\.)/;
/** Bedrock: who made the model. */
const MAKER = /^(?:global\.)?[a-z0-9-]+\.(?=[a-z])/;

/**
 * From the exact name to the barest. Nothing else is ever taken off: a newer and dearer model must not
 * be taken for an older one because its name begins alike.
 */
export function spellingsOf(provider: string, model: string): string[] {
  const exact = model.toLowerCase();
  const isBedrock = provider === 'aws';
  const unversioned = isBedrock ? withoutRegion(exact).replace(VERSION, '') : exact;
  const undated = unversioned.replace(DATE, '');
  const bare = isBedrock ? [unversioned, undated].map((name) => name.replace(MAKER, '')) : [];
  return [exact, withoutRegion(exact), unversioned, undated, ...bare];
}

/** Bedrock's regional profiles of one model have one price. */
export function withoutRegion(name: string): string {
  return name.replace(REGION, '');
}
