/** `npm start`: the system on this machine, until Ctrl-C. */
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { type Instance, startInstance } from './instance.ts';

const USAGE = `npm start -- [options]
  --port <number>        port of the gateway on 127.0.0.1 (8787; 0 takes any free one)
  --data <folder>        where everything is kept (.tollgate)
  --policy <file>        the policy to apply (examples/policy.yaml)
  --stage <name>         the stage's config to synthesize (dev)
  --synth-cache <folder> where synthesized stacks are kept (<data>/synth)
  --json                 print one JSON line when ready`;

const REPEATED_SIGNAL_MS = 500;

const argsSchema = z.object({
  port: z.coerce.number().int().min(0).max(65_535),
  data: z.string().min(1),
  policy: z.string().min(1),
  stage: z.string().regex(/^[a-z0-9-]+$/),
  'synth-cache': z.string().min(1).optional(),
  json: z.boolean(),
});
type Args = z.infer<typeof argsSchema>;

const args = readArgs();
if (args !== undefined) await run(args);

async function run(given: Args): Promise<void> {
  const stopping = new AbortController();
  let stopRequestedAtMs = Number.POSITIVE_INFINITY;
  const onSignal = (): void => {
    // A second Ctrl-C does not wait: what was started ends with this process. npm passes the first one on a second time.
    if (Date.now() - stopRequestedAtMs > REPEATED_SIGNAL_MS) process.exit(1);
    stopRequestedAtMs = Math.min(stopRequestedAtMs, Date.now());
    stopping.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const startedAtMs = Date.now();
  try {
    const instance = await startInstance({
      port: given.port,
      dataDir: given.data,
      policyFile: given.policy,
      stage: given.stage,
      ...(given['synth-cache'] === undefined ? {} : { synthCacheDir: given['synth-cache'] }),
      env: process.env,
      // Standard output carries the JSON line and nothing else, where one is asked for.
      log: given.json
        ? (line) => process.stderr.write(`${line}\n`)
        : (line) => process.stdout.write(`${line}\n`),
      signal: stopping.signal,
    });
    process.stdout.write(
      given.json ? `${JSON.stringify(instance.state)}\n` : welcome(instance, startedAtMs),
    );
    if (!stopping.signal.aborted) {
      await new Promise((resolve) =>
        stopping.signal.addEventListener('abort', resolve, { once: true }),
      );
    }
    await instance.close();
    process.exit(0);
  } catch (error) {
    if (!stopping.signal.aborted)
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(stopping.signal.aborted ? 0 : 1);
  }
}

function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '8787' },
        data: { type: 'string', default: '.tollgate' },
        policy: { type: 'string', default: 'examples/policy.yaml' },
        stage: { type: 'string', default: 'dev' },
        'synth-cache': { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    return argsSchema.parse(values);
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    process.stderr.write(`${message}\n\n${USAGE}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

function welcome(instance: Instance, startedAtMs: number): string {
  const { state, demo } = instance;
  const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
  const request = {
    model: demo.model,
    stream: true,
    messages: [{ role: 'user', content: 'Hello!' }],
  };
  const providers = instance.simulatedProviders.join(', ');
  return `
Tollgate is ready after ${seconds} s.

  Base URL    ${state.baseUrl}/v1
  Demo key    ${state.demoKey}   (team ${demo.teamId})
  Simulated   ${providers === '' ? 'nothing: every provider has a key' : `${providers} (set e.g. OPENAI_API_KEY for the real one)`}

Stream an answer:

  curl -N ${state.baseUrl}/v1/chat/completions -H 'Authorization: Bearer ${state.demoKey}' \\
    -H 'Content-Type: application/json' -d '${JSON.stringify(request)}'

Ask who spent what:   npm run athena -- spend-by-team
Usage as Parquet:     ${instance.lakeDir}
Logs of functions:    ${instance.logsDir}
Admin key:            ${state.adminKey}
DynamoDB:             ${instance.dynamoEngine}

Ctrl-C stops it; the data stays in ${state.dataDir}.

`;
}
