/** Runs the local AWS as a process of its own, so that a test can kill it: `node server-process.ts <dataDir>`. */
import { startLocalAws } from '../../../local/aws/local-aws.ts';
import { deployLake } from './lake-fixture.ts';

const [dataDir = ''] = process.argv.slice(2);
const aws = await startLocalAws({ dataDir, localBufferSeconds: 0.05 });
deployLake(aws);
aws.createQueue({ name: 'spill' });
process.stdout.write(`${aws.url}\n`);
