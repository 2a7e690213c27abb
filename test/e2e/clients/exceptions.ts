/**
 * The cells of the matrix that do not pass, each with the reason why. A cell that is not here must pass; one that
 * is here must fail, so that no reason outlives what it explains. The first entry that fits a cell is its reason.
 */
import { aiSdkChat, aiSdkResponses } from './ai-sdk.ts';
import type { Client } from './client.ts';
import type { Feature } from './features.ts';
import { langChain } from './langchain.ts';
import { openAiChat } from './openai-chat.ts';
import { openAiResponses } from './openai-responses.ts';

interface Exception {
  /** Absent: every client. */
  readonly clients?: readonly Client[];
  /** Absent: every kind of provider. */
  readonly kinds?: readonly string[];
  /** Absent: every feature. */
  readonly features?: readonly Feature[];
  readonly reason: string;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    clients: [openAiChat, openAiResponses, aiSdkChat, aiSdkResponses, langChain],
    kinds: ['anthropic', 'bedrock'],
    features: ['cache'],
    reason: 'Claude caches only what is marked, and the OpenAI dialects have no marks.',
  },
  {
    clients: [aiSdkChat],
    kinds: ['bedrock'],
    features: ['thinking'],
    reason: 'Bedrock counts no thoughts, and this client does not read those that it is shown.',
  },
];

/** Undefined where the cell must pass. */
export function reasonFor(client: Client, kind: string, feature: Feature): string | undefined {
  return EXCEPTIONS.find(
    ({ clients, kinds, features }) =>
      (clients?.includes(client) ?? true) &&
      (kinds?.includes(kind) ?? true) &&
      (features?.includes(feature) ?? true),
  )?.reason;
}
