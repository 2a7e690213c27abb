import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import type { AsyncInvocations } from './async-invocations.ts';
import { matchesPattern } from './event-pattern.ts';
import { keepLine } from './files.ts';
import { transformInput } from './input-transformer.ts';
import { type JsonService, type Operation, operation } from './json-service.ts';
import { checkedName, nameOf } from './names.ts';
import type { RuleSpec, RuleTarget } from './resources.ts';
import type { Sns } from './sns.ts';
import type { Sqs } from './sqs.ts';
import { AwsError } from './wire.ts';

export interface EventBridge {
  readonly service: JsonService;
  createBus(name: string): void;
  /** Replaces a rule of the same name on the same bus. */
  createRule(spec: RuleSpec): void;
}

interface Dependencies {
  readonly dir: string;
  readonly clock: Clock;
  readonly arn: (service: string, resource: string) => string;
  readonly sqs: Sqs;
  readonly sns: Sns;
  readonly invocations: AsyncInvocations;
}

type BusEvent = Readonly<Record<string, unknown>>;

interface Rule {
  readonly pattern: unknown;
  readonly deliveries: readonly ((event: BusEvent) => void)[];
}

const MAX_ENTRIES = 10;

export function createEventBridge(dependencies: Dependencies): EventBridge {
  const buses = new Map<string, Map<string, Rule>>([['default', new Map()]]);
  const specs = new Map<string, RuleSpec>();

  function rulesOf(bus: string): Map<string, Rule> {
    const found = buses.get(bus);
    if (found !== undefined) return found;
    throw new AwsError('ResourceNotFoundException', `Event bus ${bus} does not exist.`);
  }
  function createBus(name: string): void {
    if (!buses.has(name)) buses.set(checkedName(name), new Map());
  }
  function createRule(spec: RuleSpec): void {
    // A pattern that is wrong is refused here, not at the first event.
    matchesPattern(spec.pattern, {});
    const deliveries = spec.targets.map((target) => deliveryTo(dependencies, spec, target));
    rulesOf(spec.bus).set(spec.name, { pattern: spec.pattern, deliveries });
    specs.set(`${spec.bus}/${spec.name}`, spec);
  }
  function emit(bus: string, event: BusEvent): void {
    const rules = rulesOf(bus);
    keepLine(join(dependencies.dir, `${bus}.ndjson`), JSON.stringify(event));
    for (const { pattern, deliveries } of rules.values()) {
      if (!matchesPattern(pattern, event)) continue;
      for (const deliver of deliveries) deliver(event);
    }
  }

  return {
    createBus,
    createRule,
    service: {
      name: 'events',
      target: 'AWSEvents',
      throttleCode: 'ThrottlingException',
      operations: {
        ...ruleOperations({ createBus, createRule, specs, arn: dependencies.arn }),
        PutEvents: putEvents(dependencies, emit),
      },
    },
  };
}

function deliveryTo(
  { arn, sqs, sns, invocations }: Dependencies,
  rule: RuleSpec,
  target: RuleTarget,
): (event: BusEvent) => void {
  const ruleArn = arn('events', `rule/${rule.bus}/${rule.name}`);
  const inputOf = (event: BusEvent): string => {
    if (target.input !== undefined) return target.input;
    const { inputPaths = {}, inputTemplate } = target;
    if (inputTemplate === undefined) return JSON.stringify(event);
    return transformInput({ inputPaths, inputTemplate }, event, { name: rule.name, arn: ruleArn });
  };
  switch (target.kind) {
    case 'topic':
      return (event) => {
        sns.publish(target.name, { message: inputOf(event) });
      };
    case 'queue':
      return (event) => {
        sqs.queue(target.name).send([{ body: inputOf(event) }]);
      };
    case 'function': {
      const invoke = invocations.target({ ...target, name: `${rule.name}-${target.name}` });
      return (event) => invoke(JSON.parse(inputOf(event)));
    }
  }
}

const entrySchema = z.object({
  Source: z.optional(z.string()),
  DetailType: z.optional(z.string()),
  Detail: z.optional(z.string()),
  EventBusName: z.string().default('default'),
  Resources: z.array(z.string()).default([]),
  /** Epoch seconds. */
  Time: z.optional(z.number()),
});
const detailSchema = z.record(z.string(), z.unknown());

function putEvents(
  { clock, arn }: Dependencies,
  emit: (bus: string, event: BusEvent) => void,
): Operation {
  const [, , , region, account] = arn('events', '').split(':');
  const schema = z.object({ Entries: z.array(entrySchema).min(1).max(MAX_ENTRIES) });
  return operation(schema, ({ Entries }, { isPartial }) => {
    const results = Entries.map((entry, index) => {
      if (isPartial && index % 2 === 1) return failure('InternalFailure', 'Injected fault');
      const { Source, DetailType } = entry;
      if (Source === undefined || DetailType === undefined || entry.Detail === undefined) {
        return failure('InvalidArgument', 'Source, DetailType and Detail are required.');
      }
      const detail = parseDetail(entry.Detail);
      if (detail === undefined) return failure('MalformedDetail', 'Detail is malformed.');
      const id = randomUUID();
      emit(nameOf(entry.EventBusName), {
        version: '0',
        id,
        'detail-type': DetailType,
        source: Source,
        account,
        time: eventTime(entry.Time, clock),
        region,
        resources: entry.Resources,
        detail,
      });
      return { EventId: id };
    });
    const failed = results.filter((result) => 'ErrorCode' in result).length;
    return { FailedEntryCount: failed, Entries: results };
  });
}

function failure(code: string, message: string): { ErrorCode: string; ErrorMessage: string } {
  return { ErrorCode: code, ErrorMessage: message };
}

function parseDetail(text: string): BusEvent | undefined {
  try {
    return detailSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Whole seconds, as EventBridge gives them. */
function eventTime(seconds: number | undefined, clock: Clock): string {
  const timeMs = seconds === undefined ? clock.nowMs() : seconds * 1000;
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

const putTargetsSchema = z.object({
  Rule: z.string(),
  EventBusName: z.string().default('default'),
  Targets: z.array(
    z.object({
      Id: z.string(),
      Arn: z.string(),
      Input: z.optional(z.string()),
      InputTransformer: z.optional(
        z.object({
          InputPathsMap: z.record(z.string(), z.string()).default({}),
          InputTemplate: z.string(),
        }),
      ),
    }),
  ),
});

function ruleOperations(options: {
  createBus: (name: string) => void;
  createRule: (spec: RuleSpec) => void;
  specs: ReadonlyMap<string, RuleSpec>;
  arn: (service: string, resource: string) => string;
}): Record<string, Operation> {
  const { createBus, createRule, specs, arn } = options;
  return {
    CreateEventBus: operation(z.object({ Name: z.string() }), ({ Name }) => {
      createBus(Name);
      return { EventBusArn: arn('events', `event-bus/${Name}`) };
    }),
    PutRule: operation(
      z.object({
        Name: z.string(),
        EventPattern: z.string(),
        EventBusName: z.string().default('default'),
      }),
      ({ Name, EventPattern, EventBusName }) => {
        const bus = nameOf(EventBusName);
        const targets = specs.get(`${bus}/${Name}`)?.targets ?? [];
        createRule({ name: Name, bus, pattern: parseDetail(EventPattern), targets });
        return { RuleArn: arn('events', `rule/${bus}/${Name}`) };
      },
    ),
    PutTargets: operation(putTargetsSchema, ({ Rule, EventBusName, Targets }) => {
      const spec = specs.get(`${nameOf(EventBusName)}/${Rule}`);
      if (spec === undefined) {
        throw new AwsError('ResourceNotFoundException', `Rule ${Rule} does not exist.`);
      }
      createRule({ ...spec, targets: Targets.map(targetOf) });
      return { FailedEntryCount: 0, FailedEntries: [] };
    }),
  };
}

function targetOf({
  Arn,
  Input,
  InputTransformer,
}: z.infer<typeof putTargetsSchema>['Targets'][number]): RuleTarget {
  const [, , service] = Arn.split(':');
  if (service !== 'sns' && service !== 'sqs') {
    throw new AwsError('NotImplemented', `not available locally: target ${Arn}`, 501);
  }
  return {
    kind: service === 'sns' ? 'topic' : 'queue',
    name: nameOf(Arn),
    ...(Input === undefined ? {} : { input: Input }),
    ...(InputTransformer === undefined
      ? {}
      : {
          inputPaths: InputTransformer.InputPathsMap,
          inputTemplate: InputTransformer.InputTemplate,
        }),
  };
}
