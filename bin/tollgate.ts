/** The CDK entry: read the stage's config, create the stacks. */
import { loadStageConfig } from '../lib/stage-config.ts';
import { createTollgateApp } from '../lib/tollgate-app.ts';

createTollgateApp({
  config: loadStageConfig(process.env['TOLLGATE_STAGE'] ?? 'dev'),
  outputFolder: process.env['CDK_OUTDIR'] ?? 'cdk.out',
  // They cost seconds; only the local runner, which deploys nothing, goes without them.
  checkRules: process.env['TOLLGATE_NAG'] !== 'off',
}).synth();
