/** Evaluates CloudFormation's intrinsic functions. One it does not know is an error that names it. */

export interface Scope {
  /** Value of `Ref`; undefined when nothing has the name. */
  ref(name: string): unknown;
  attribute(logicalId: string, attribute: string): string;
  condition(name: string): boolean;
  exportedValue(name: string): unknown;
  stackOutput(stack: string, output: string): unknown;
}

/** What `AWS::NoValue` resolves to: the property is left out. */
const NO_VALUE = Symbol('AWS::NoValue');

export function resolveIntrinsics(value: unknown, scope: Scope): unknown {
  const resolved = resolve(value, scope);
  return resolved === NO_VALUE ? undefined : resolved;
}

function resolve(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value))
    return value.map((each) => resolve(each, scope)).filter((each) => each !== NO_VALUE);
  if (!isRecord(value)) return value;
  const [entry, ...others] = Object.entries(value);
  if (entry !== undefined && others.length === 0 && isIntrinsicName(entry[0])) {
    return evaluate(entry[0], entry[1], scope);
  }
  const pairs = Object.entries(value).map(([key, each]): [string, unknown] => [
    key,
    resolve(each, scope),
  ]);
  return Object.fromEntries(pairs.filter(([, each]) => each !== NO_VALUE));
}

function isIntrinsicName(name: string): boolean {
  return name === 'Ref' || name === 'Condition' || name.startsWith('Fn::');
}

function evaluate(name: string, argument: unknown, scope: Scope): unknown {
  const evaluator = EVALUATORS[name];
  if (evaluator === undefined)
    throw new Error(`the template uses ${name}, which the local deployment does not know`);
  return evaluator(argument, scope);
}

type Evaluator = (argument: unknown, scope: Scope) => unknown;

const EVALUATORS: Readonly<Record<string, Evaluator>> = {
  Ref(name, scope) {
    if (name === 'AWS::NoValue') return NO_VALUE;
    const value = scope.ref(String(name));
    if (value === undefined)
      throw new Error(`Ref to ${String(name)}, which is not in the template`);
    return value;
  },
  Condition: (name, scope) => scope.condition(String(name)),
  'Fn::GetAtt'(argument, scope) {
    const [logicalId, ...path] = Array.isArray(argument)
      ? argument.map(String)
      : String(argument).split('.');
    return scope.attribute(logicalId ?? '', path.join('.'));
  },
  'Fn::Join'(argument, scope) {
    const [separator, parts] = list(argument, scope);
    return list(parts, scope).join(String(separator));
  },
  'Fn::Split'(argument, scope) {
    const [separator, text] = list(argument, scope);
    return String(text).split(String(separator));
  },
  'Fn::Select'(argument, scope) {
    const [index, items] = list(argument, scope);
    const selected = list(items, scope)[Number(index)];
    if (selected === undefined) throw new Error(`Fn::Select finds nothing at ${String(index)}`);
    return selected;
  },
  'Fn::Sub': substitute,
  'Fn::If'(argument, scope) {
    const [name, yes, no] = Array.isArray(argument) ? argument : [];
    return resolve(scope.condition(String(name)) ? yes : no, scope);
  },
  'Fn::Equals'(argument, scope) {
    const [left, right] = list(argument, scope);
    return left === right;
  },
  'Fn::Not': (argument, scope) => list(argument, scope)[0] !== true,
  'Fn::And': (argument, scope) => list(argument, scope).every((each) => each === true),
  'Fn::Or': (argument, scope) => list(argument, scope).some((each) => each === true),
  'Fn::ImportValue': (argument, scope) => scope.exportedValue(String(resolve(argument, scope))),
  'Fn::GetStackOutput'(argument, scope) {
    const input = resolve(argument, scope);
    if (!isRecord(input)) throw new Error('Fn::GetStackOutput wants an object');
    return scope.stackOutput(String(input['StackName']), String(input['OutputName']));
  },
};

function substitute(argument: unknown, scope: Scope): string {
  const [text, variables] = Array.isArray(argument) ? argument : [argument, {}];
  const own = isRecord(variables) ? variables : {};
  return String(text).replaceAll(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
    if (literal === '!') return `\${${name}}`;
    if (name in own) return String(resolve(own[name], scope));
    return String(
      name.includes('.') ? evaluate('Fn::GetAtt', name, scope) : evaluate('Ref', name, scope),
    );
  });
}

function list(argument: unknown, scope: Scope): unknown[] {
  const resolved = resolve(argument, scope);
  if (!Array.isArray(resolved))
    throw new Error(`a list was expected, not ${JSON.stringify(argument)}`);
  return resolved;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
