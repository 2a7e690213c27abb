import * as z from 'zod';
import type { AsyncInvoke } from './resources.ts';
import type { Sqs } from './sqs.ts';
import type { Message, Queue } from './sqs-queue.ts';
import { startLoop } from './work-loop.ts';

/** Deliveries to functions that nobody waits for: queued on disk first, then tried up to three times, as AWS Lambda does. */
export interface AsyncInvocations {
  /** The returned function queues one event, which is durable on return. The last declaration of a name counts. */
  target(spec: InvocationTarget): (event: unknown) => void;
  stop(): Promise<void>;
}

interface InvocationTarget {
  readonly name: string;
  readonly invoke: AsyncInvoke;
  readonly deadLetterQueue?: string | undefined;
}

const ATTEMPTS = 3;
const RETRY_SECONDS = 2;
/** Longer than a function may run. */
const INVOKE_SECONDS = 960;
const POLL_SECONDS = 20;

export function createAsyncInvocations(sqs: Sqs, log: (line: string) => void): AsyncInvocations {
  const targets = new Map<string, InvocationTarget>();
  const stops: (() => Promise<void>)[] = [];

  async function deliver(queue: Queue, target: InvocationTarget, message: Message): Promise<void> {
    try {
      await target.invoke(z.json().parse(JSON.parse(message.body)));
    } catch (error) {
      if (message.receiveCount < ATTEMPTS) {
        queue.changeVisibility(message.id, RETRY_SECONDS);
        return;
      }
      log(`${target.name} failed ${ATTEMPTS} times: ${String(error)}`);
      if (target.deadLetterQueue !== undefined) sqs.queue(target.deadLetterQueue).send([message]);
    }
    queue.remove([message.id]);
  }
  function start(queue: Queue, name: string): () => Promise<void> {
    const step = async (signal: AbortSignal): Promise<void> => {
      for (const message of await queue.receive({ max: 1, waitSeconds: POLL_SECONDS, signal })) {
        const target = targets.get(name);
        if (target !== undefined) await deliver(queue, target, message);
      }
    };
    return startLoop({ name, step, log });
  }

  return {
    target(spec) {
      const queueName = `async-${spec.name}`;
      sqs.create({ name: queueName, visibilityTimeoutSeconds: INVOKE_SECONDS });
      const queue = sqs.queue(queueName);
      const isNew = !targets.has(spec.name);
      targets.set(spec.name, spec);
      if (isNew) stops.push(start(queue, spec.name));
      return (event) => {
        queue.send([{ body: JSON.stringify(event) }]);
      };
    },
    async stop() {
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}
