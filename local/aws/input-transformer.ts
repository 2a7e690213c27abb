/** EventBridge's input transformer: paths pick values of the event, the template places them. */
import * as z from 'zod';

export interface InputTransformer {
  readonly inputPaths?: Readonly<Record<string, string>>;
  readonly inputTemplate: string;
}

/**
 * Fills the template's `<name>` places. Within quotes of the template a text comes without its own
 * quotes; elsewhere a value comes as JSON. A value that the event does not have is left out.
 */
export function transformInput(
  { inputPaths = {}, inputTemplate }: InputTransformer,
  event: Readonly<Record<string, unknown>>,
  rule: { name: string; arn: string },
): string {
  const reserved: Readonly<Record<string, unknown>> = {
    'aws.events.rule-name': rule.name,
    'aws.events.rule-arn': rule.arn,
    'aws.events.event': event,
    'aws.events.event.json': event,
    'aws.events.event.ingestion-time': event['time'],
  };
  let isQuoted = false;
  return inputTemplate.replace(/\\.|"|<([\w.-]+)>/g, (whole, name: string | undefined) => {
    if (whole === '"') isQuoted = !isQuoted;
    if (name === undefined) return whole;
    const path = inputPaths[name];
    if (path === undefined && !(name in reserved)) return whole;
    const value = path === undefined ? reserved[name] : valueAt(path, event);
    return isQuoted ? withinQuotes(value) : (JSON.stringify(value) ?? '');
  });
}

function withinQuotes(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return JSON.stringify(text).slice(1, -1);
}

const containerSchema = z.record(z.string(), z.unknown());

/** `$.detail.team` and `$.resources[0]`; the dollar sign alone is the whole event. */
function valueAt(path: string, event: unknown): unknown {
  const keys = path.match(/[^.[\]$]+/g) ?? [];
  return keys.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return value[Number(key)];
    const container = containerSchema.safeParse(value);
    return container.success ? container.data[key] : undefined;
  }, event);
}
