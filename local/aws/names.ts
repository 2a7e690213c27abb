/** Names become folders and files here: this keeps them inside their folder. */
export function checkedName(name: string): string {
  if (!/^[\w-][\w.-]*$/.test(name)) throw new Error(`not a name for a resource: ${name}`);
  return name;
}

/** The name in an ARN, a queue URL or a plain name. */
export function nameOf(reference: string): string {
  return reference.slice(Math.max(reference.lastIndexOf('/'), reference.lastIndexOf(':')) + 1);
}
