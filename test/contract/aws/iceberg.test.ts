import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalAws } from '../../../local/aws/local-aws.ts';
import { CONTRACT_ENDPOINT, clientsOf, type Endpoint, openEndpoint } from './endpoint.ts';
import { deployLake, putJson, query } from './lake-fixture.ts';

const CREATE = `CREATE TABLE IF NOT EXISTS book (id string, amount bigint)
  PARTITIONED BY (id) LOCATION 's3://lake/book/' TBLPROPERTIES ('table_type' = 'ICEBERG')`;
const MERGE = `MERGE INTO book AS held USING (SELECT 'a' AS id, 1 AS amount) AS new ON held.id = new.id
  WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (new.id, new.amount)`;

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;

beforeEach(async () => {
  endpoint = await openEndpoint();
  clients = clientsOf(endpoint.url);
  if (endpoint.local !== undefined) deployLake(endpoint.local);
});
afterEach(async () => {
  clients.destroy();
  await endpoint.close();
});

async function run(...statements: string[]) {
  let last = await query(clients.athena, statements[0] ?? '');
  for (const sql of statements.slice(1)) last = await query(clients.athena, sql);
  expect(last.reason).toBeUndefined();
  return last.rows.slice(1);
}

describe.skipIf(CONTRACT_ENDPOINT !== undefined)('an Iceberg table', () => {
  it('is made once, merged into, inserted into, tidied and altered by statements', async () => {
    const insert = "INSERT INTO book (id, amount) VALUES ('b', 2)";
    const tidy = ['OPTIMIZE book REWRITE DATA USING BIN_PACK', 'VACUUM book'];
    const alter = 'ALTER TABLE book ADD COLUMNS (note string, late boolean)';
    const rows = await run(
      CREATE,
      CREATE,
      MERGE,
      MERGE,
      insert,
      ...tidy,
      alter,
      'SELECT * FROM book ORDER BY 1',
    );
    expect(rows).toEqual([
      ['a', '1', undefined, undefined],
      ['b', '2', undefined, undefined],
    ]);
    expect((await run('SHOW COLUMNS IN book')).flat()).toEqual(['id', 'amount', 'note', 'late']);
  });

  it('survives a restart', async () => {
    await run(CREATE, MERGE);
    await endpoint.local?.close();
    const again = await startLocalAws({ dataDir: endpoint.dataDir });
    try {
      deployLake(again);
      const { athena, destroy } = clientsOf(again.url);
      expect((await query(athena, 'SELECT * FROM book')).rows[1]).toEqual(['a', '1']);
      destroy();
    } finally {
      await again.close();
    }
  });

  it('is read through a view, together with Parquet, once it is there', async () => {
    const sql = 'SELECT id, amount FROM book UNION ALL SELECT request_id, tokens FROM usage';
    endpoint.local?.createView({ database: 'tollgate', view: 'everything', sql });
    await putJson(clients.kinesis, [{ request_id: 'r', team_id: 't', tokens: 7, stream: true }]);
    expect((await query(clients.athena, 'SELECT * FROM everything')).reason).toMatch(/everything/);
    expect(await run(CREATE, MERGE, 'SELECT * FROM everything ORDER BY 1')).toEqual([
      ['a', '1'],
      ['r', '7'],
    ]);
  });

  it.each([
    ['DELETE FROM book', /NOT_SUPPORTED/],
    ['DROP TABLE book', /NOT_SUPPORTED/],
    ['CREATE TABLE hive (a string)', /NOT_SUPPORTED/],
    ["CREATE TABLE x (a decimal) TBLPROPERTIES ('table_type' = 'ICEBERG')", /decimal/],
    ['INSERT INTO usage (request_id) VALUES (1)', /usage/],
    ['MERGE INTO nothing USING book ON true WHEN MATCHED THEN DELETE', /nothing/],
    ['WITH a AS (SELECT 1) INSERT INTO book SELECT 1, 2', /NOT_SUPPORTED/],
  ])('refuses %s', async (sql, reason) => {
    await run(CREATE);
    const answer = await query(clients.athena, sql);
    expect(answer.state).toBe('FAILED');
    expect(answer.reason).toMatch(reason);
  });
});
