import * as z from 'zod';
import type { DeployContext } from '../deploy.ts';
import { FunctionPool } from '../runtime/function-pool.ts';
import { invokeJson } from '../runtime/invoke-json.ts';
import type { LocalResource } from '../templates.ts';

const functionSchema = z.object({
  Code: z.object({ S3Key: z.string() }),
  Handler: z.string(),
  Runtime: z.string().startsWith('nodejs'),
  MemorySize: z.number().default(128),
  Timeout: z.number().default(3),
  ReservedConcurrentExecutions: z.number().optional(),
  LoggingConfig: z.object({ LogFormat: z.string().default('Text') }).default({ LogFormat: 'Text' }),
  Environment: z.object({ Variables: z.record(z.string(), z.string()) }).optional(),
});

/** The functions read the AWS SDK's own variables, so that nothing in them knows where they run. */
export function createFunction(
  { name, attributes, properties }: LocalResource,
  context: DeployContext,
): void {
  const described = functionSchema.parse(properties);
  const { assembly, aws, dynamoUrl } = context;
  const { region } = assembly.place;
  const reserved = described.ReservedConcurrentExecutions;
  const definition = {
    name,
    arn: attributes['Arn'] ?? name,
    // The name that people use for it, where the template has one.
    logName: described.Environment?.Variables['POWERTOOLS_SERVICE_NAME'] ?? name,
    codeDir: assembly.assetDir(described.Code.S3Key),
    handler: described.Handler,
    memoryMb: described.MemorySize,
    timeoutMs: described.Timeout * 1000,
    ...(reserved === undefined ? {} : { reservedConcurrency: reserved }),
    env: {
      ...described.Environment?.Variables,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_SESSION_TOKEN: 'local',
      AWS_ENDPOINT_URL: aws.url,
      AWS_ENDPOINT_URL_DYNAMODB: dynamoUrl,
      ...otherEndpoints(process.env),
      AWS_LAMBDA_LOG_FORMAT: described.LoggingConfig.LogFormat,
    },
  };
  const pool = new FunctionPool(definition, { logsDir: context.logsDir });
  context.functions.set(name, pool);
  aws.serveFunction([name, definition.logName], (event) => invokeJson(pool, event));
}

/** Services that whoever starts us has elsewhere, by the SDK's own variables. */
function otherEndpoints(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      /^AWS_ENDPOINT_URL_(KINESIS|SQS)$/.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}
