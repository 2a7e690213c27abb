/** The lake: the delivery stream that writes it, the table that describes it, the queries that read it. */
import * as z from 'zod';
import { LAKE } from '../../core/names.ts';
import type { DeliveryStreamSpec, HiveColumn } from '../aws/resources.ts';
import type { DeployContext } from '../deploy.ts';
import { nameFromArn } from '../templates/physical.ts';
import type { Assembly, LocalResource } from '../templates.ts';

const columnsSchema = z.array(
  z.object({
    Name: z.string(),
    Type: z.enum(['string', 'bigint', 'boolean', 'int', 'double']),
  }),
);
const tableSchema = z.object({
  DatabaseName: z.string(),
  TableInput: z.object({
    Name: z.string(),
    PartitionKeys: columnsSchema.default([]),
    StorageDescriptor: z.object({
      Columns: columnsSchema,
      Location: z.string(),
      SerdeInfo: z.object({ SerializationLibrary: z.string() }),
    }),
  }),
});

const deliverySchema = z.object({
  KinesisStreamSourceConfiguration: z.object({ KinesisStreamARN: z.string() }).optional(),
  ExtendedS3DestinationConfiguration: z.object({
    BucketARN: z.string(),
    Prefix: z.string().default(''),
    ErrorOutputPrefix: z.string().default('errors/'),
    BufferingHints: z.object({ IntervalInSeconds: z.number(), SizeInMBs: z.number() }),
    DataFormatConversionConfiguration: z.object({
      SchemaConfiguration: z.object({ DatabaseName: z.string(), TableName: z.string() }),
    }),
  }),
});

const workGroupSchema = z.object({
  WorkGroupConfiguration: z.object({
    BytesScannedCutoffPerQuery: z.number().optional(),
    ResultConfiguration: z.object({ OutputLocation: z.string() }),
  }),
});

const namedQuerySchema = z.object({
  Name: z.string(),
  Description: z.string().optional(),
  Database: z.string(),
  WorkGroup: z.string(),
  QueryString: z.string(),
});

const viewSchema = z.object({
  DatabaseName: z.string(),
  TableInput: z.object({
    Name: z.string(),
    TableType: z.literal('VIRTUAL_VIEW'),
    ViewOriginalText: z.string(),
  }),
});

export function createLakeTable(resource: LocalResource, { aws }: DeployContext): void {
  const { properties } = resource;
  if (isView(resource)) {
    const { DatabaseName, TableInput } = viewSchema.parse(properties);
    const sql = questionOf(TableInput.ViewOriginalText);
    aws.createView({ database: DatabaseName, view: TableInput.Name, sql });
    return;
  }
  const { DatabaseName, TableInput } = tableSchema.parse(properties);
  const { Columns, Location, SerdeInfo } = TableInput.StorageDescriptor;
  aws.createTable({
    database: DatabaseName,
    table: TableInput.Name,
    ...bucketAndPrefix(Location),
    columns: hiveColumns(Columns),
    partitionKeys: hiveColumns(TableInput.PartitionKeys),
    format: SerdeInfo.SerializationLibrary.endsWith('JsonSerDe') ? 'json' : 'parquet',
  });
}

function isView({ properties }: LocalResource): boolean {
  return viewSchema.safeParse(properties).success;
}

/** Athena keeps a view as JSON in base64 inside a comment. */
function questionOf(viewOriginalText: string): string {
  const [, base64 = ''] = /^\/\* Presto View: (\S+) \*\/$/.exec(viewOriginalText) ?? [];
  const view: unknown = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  return z.object({ originalSql: z.string() }).parse(view).originalSql;
}

/** Parquet needs the columns, which only the Glue table knows. */
export function createDeliveryStream(
  { name, properties }: LocalResource,
  { aws, assembly }: DeployContext,
): void {
  const parsed = deliverySchema.parse(properties);
  const destination = parsed.ExtendedS3DestinationConfiguration;
  const schema = destination.DataFormatConversionConfiguration.SchemaConfiguration;
  const table = assembly.resources
    .filter((resource) => resource.type === 'AWS::Glue::Table' && !isView(resource))
    .map((resource) => tableSchema.parse(resource.properties))
    .find(
      ({ DatabaseName, TableInput }) =>
        DatabaseName === schema.DatabaseName && TableInput.Name === schema.TableName,
    );
  if (table === undefined)
    throw new Error(`no Glue table ${schema.DatabaseName}.${schema.TableName} for ${name}`);
  const source = parsed.KinesisStreamSourceConfiguration;
  const spec: DeliveryStreamSpec = {
    name,
    bucket: nameFromArn(destination.BucketARN),
    prefix: destination.Prefix,
    errorPrefix: destination.ErrorOutputPrefix,
    columns: hiveColumns(table.TableInput.StorageDescriptor.Columns),
    bufferSeconds: destination.BufferingHints.IntervalInSeconds,
    bufferBytes: destination.BufferingHints.SizeInMBs * 1024 * 1024,
  };
  aws.createDeliveryStream(
    source === undefined ? spec : { ...spec, sourceStream: nameFromArn(source.KinesisStreamARN) },
  );
}

/** Where the usage events land. */
export function lakeLocation({ resources }: Assembly): { bucket: string; prefix: string } {
  const table = resources
    .filter((resource) => resource.type === 'AWS::Glue::Table' && !isView(resource))
    .map(({ properties }) => tableSchema.parse(properties).TableInput)
    .find(({ Name }) => Name === LAKE.usageTable);
  if (table === undefined) throw new Error('the templates hold no table of usage');
  return bucketAndPrefix(table.StorageDescriptor.Location);
}

export function createWorkGroup({ name, properties }: LocalResource, { aws }: DeployContext): void {
  const { BytesScannedCutoffPerQuery: cutoff, ResultConfiguration } =
    workGroupSchema.parse(properties).WorkGroupConfiguration;
  const results = bucketAndPrefix(ResultConfiguration.OutputLocation);
  aws.createWorkGroup({
    name,
    resultsBucket: results.bucket,
    resultsPrefix: results.prefix,
    ...(cutoff === undefined ? {} : { bytesScannedCutoff: cutoff }),
  });
}

export function createNamedQuery({ properties }: LocalResource, { aws }: DeployContext): void {
  const query = namedQuerySchema.parse(properties);
  aws.createNamedQuery({
    name: query.Name,
    database: query.Database,
    workGroup: query.WorkGroup,
    sql: query.QueryString,
    ...(query.Description === undefined ? {} : { description: query.Description }),
  });
}

/** The workgroup of people: the one that the named queries are for. */
export function workGroupOfQueries({ resources }: Assembly): string {
  const query = resources.find(({ type }) => type === 'AWS::Athena::NamedQuery');
  return query === undefined ? 'primary' : namedQuerySchema.parse(query.properties).WorkGroup;
}

function hiveColumns(columns: z.infer<typeof columnsSchema>): HiveColumn[] {
  return columns.map(({ Name, Type }) => ({ name: Name, type: Type }));
}

function bucketAndPrefix(location: string): { bucket: string; prefix: string } {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(location) ?? [];
  if (bucket === undefined || prefix === undefined)
    throw new Error(`not an S3 location: ${location}`);
  return { bucket, prefix };
}
