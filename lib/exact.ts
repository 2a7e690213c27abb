/**
 * A construct as the interface it implements. CDK's classes declare `x: T | undefined` where their interfaces say `x?: T`;
 * under exactOptionalPropertyTypes a class is then not its own interface, although it is at run time.
 */
export function exact<Interface extends object>(
  construct: {
    [Member in keyof NoInfer<Interface>]: NoInfer<Interface>[Member] | undefined;
  },
): Interface {
  return construct as Interface;
}
