import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type { DeployContext } from '../deploy.ts';
import type { LocalResource } from '../templates.ts';

const keySchema = z.array(
  z.object({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) }),
);
const indexSchema = z.object({
  IndexName: z.string(),
  KeySchema: keySchema,
  Projection: z.object({
    ProjectionType: z.enum(['ALL', 'KEYS_ONLY', 'INCLUDE']),
    NonKeyAttributes: z.array(z.string()).optional(),
  }),
});
const tableSchema = z.object({
  AttributeDefinitions: z.array(
    z.object({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) }),
  ),
  KeySchema: keySchema,
  GlobalSecondaryIndexes: z.array(indexSchema).optional(),
  TimeToLiveSpecification: z
    .object({ AttributeName: z.string().optional(), Enabled: z.boolean() })
    .optional(),
});

/** What protects a table in the cloud (recovery, encryption, deletion protection) has no meaning here. */
export async function createTable(
  { name, properties }: LocalResource,
  { dynamoUrl, log }: DeployContext,
): Promise<void> {
  const table = tableSchema.parse(properties);
  const client = new DynamoDBClient({
    endpoint: dynamoUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  try {
    await client.send(new CreateTableCommand(definition(name, table)));
    const ttl = table.TimeToLiveSpecification;
    if (ttl?.AttributeName !== undefined && ttl.Enabled) {
      const specification = { AttributeName: ttl.AttributeName, Enabled: true };
      await client.send(
        new UpdateTimeToLiveCommand({ TableName: name, TimeToLiveSpecification: specification }),
      );
    }
  } catch (error) {
    // A table that exists is kept with its data; only indexes that came later are added.
    if (error instanceof ResourceInUseException) return addIndexes(client, definition(name, table));
    // dynalite has no time to live; nothing but clean-up depends on it.
    if (!(error instanceof Error) || error.name !== 'UnknownOperationException') throw error;
    log(`${name}: the local DynamoDB has no time to live; expired items stay`);
  } finally {
    client.destroy();
  }
}

async function addIndexes(
  client: DynamoDBClient,
  { TableName, AttributeDefinitions, GlobalSecondaryIndexes = [] }: CreateTableCommandInput,
): Promise<void> {
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  const known = Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName) ?? [];
  for (const Create of GlobalSecondaryIndexes.filter(({ IndexName }) => !known.includes(IndexName)))
    await client.send(
      new UpdateTableCommand({
        TableName,
        AttributeDefinitions,
        GlobalSecondaryIndexUpdates: [{ Create }],
      }),
    );
}

function definition(name: string, table: z.infer<typeof tableSchema>): CreateTableCommandInput {
  return {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: table.AttributeDefinitions,
    KeySchema: table.KeySchema,
    ...(table.GlobalSecondaryIndexes === undefined
      ? {}
      : {
          GlobalSecondaryIndexes: table.GlobalSecondaryIndexes.map(({ Projection, ...index }) => ({
            ...index,
            Projection: {
              ProjectionType: Projection.ProjectionType,
              ...(Projection.NonKeyAttributes === undefined
                ? {}
                : { NonKeyAttributes: Projection.NonKeyAttributes }),
            },
          })),
        }),
  };
}
