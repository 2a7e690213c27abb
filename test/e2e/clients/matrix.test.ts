import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../instance.ts';
import { aiSdkAnthropic, aiSdkChat, aiSdkResponses } from './ai-sdk.ts';
import { anthropicMessages } from './anthropic-messages.ts';
import type { Client } from './client.ts';
import { compatibilityPage, type Outcome } from './compatibility-page.ts';
import { reasonFor } from './exceptions.ts';
import { FEATURES, type Feature } from './features.ts';
import { KINDS, matrixPolicy } from './kinds.ts';
import { langChain } from './langchain.ts';
import { openAiChat } from './openai-chat.ts';
import { openAiResponses } from './openai-responses.ts';

const CLIENTS: readonly Client[] = [
  openAiChat,
  openAiResponses,
  anthropicMessages,
  aiSdkChat,
  aiSdkResponses,
  aiSdkAnthropic,
  langChain,
];
const AT_ONCE = 8;
const CELL_MS = 25_000;

let gateway: RunningGateway;

beforeAll(async () => {
  const policy = join(mkdtempSync(join(tmpdir(), 'tollgate-matrix-')), 'policy.yaml');
  writeFileSync(policy, matrixPolicy());
  gateway = await startGateway({ policy });
});
afterAll(() => gateway.stop());

it('every client works with every kind of provider, or docs/compatibility.md says why not', async () => {
  const { key } = await gateway.keyOf('open');
  const results = await inParallel(allCells(), (cell) => run(cell, key));
  expect(results.flatMap(({ surprise }) => surprise ?? [])).toEqual([]);
  const page = compatibilityPage(results.map(({ outcome }) => outcome));
  await expect(page).toMatchFileSnapshot('../../../docs/compatibility.md');
}, 300_000);

interface MatrixCell {
  readonly client: Client;
  readonly kind: string;
  readonly alias: string;
  readonly feature: Feature;
}

function allCells(): readonly MatrixCell[] {
  return CLIENTS.flatMap((client) =>
    KINDS.flatMap(({ kind, alias }) =>
      featureNames().map((feature) => ({ client, kind, alias, feature })),
    ),
  );
}

function featureNames(): readonly Feature[] {
  const isFeature = (name: string): name is Feature => Object.hasOwn(FEATURES, name);
  return Object.keys(FEATURES).filter(isFeature);
}

async function run(
  { client, kind, alias, feature }: MatrixCell,
  key: string,
): Promise<{ readonly outcome: Outcome; readonly surprise: string | undefined }> {
  const place = { url: gateway.baseUrl, key, model: alias };
  const reason = reasonFor(client, kind, feature);
  const failure = await within(CELL_MS, FEATURES[feature]({ gateway, client, place })).then(
    () => undefined,
    (thrown: unknown) => String(thrown),
  );
  const cell = `${client.name} x ${kind} x ${feature}`;
  const surprise =
    reason === undefined
      ? failure && `${cell} fails: ${failure}`
      : failure === undefined
        ? `${cell} passes, although: ${reason}`
        : undefined;
  return { outcome: { client: client.name, kind, feature, reason }, surprise };
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${ms} ms`)), ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, item] = next;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
