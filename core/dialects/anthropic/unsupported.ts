/**
 * What Anthropic's API has and this gateway refuses, each with its reason: because nothing bounds its cost,
 * it has a price that routes do not have, or it reaches beyond the call. The words are the caller's.
 */
import { GatewayError } from '../../errors.ts';

const FIELDS: Readonly<Record<string, string>> = {
  container: 'it outlives the call, and its cost cannot be bounded',
  mcp_servers: 'it would reach servers of the caller’s choice, and its cost cannot be bounded',
  inference_geo: 'it changes the price of the call',
  diagnostics: 'it would tell about other requests of the provider account',
  fallbacks: 'routes and their prices are the policy’s',
};

const BLOCKS: Readonly<Record<string, string>> = {
  container_upload: 'files live outside the call',
  server_tool_use: 'tools that the provider runs have a cost that cannot be bounded',
  web_search_tool_result: 'tools that the provider runs have a cost that cannot be bounded',
  web_fetch_tool_result: 'tools that the provider runs have a cost that cannot be bounded',
  code_execution_tool_result: 'tools that the provider runs have a cost that cannot be bounded',
  tool_reference: 'it needs the provider’s tool search',
};

/** Of images and documents, by the type of their source. */
const SOURCES: Readonly<Record<string, string>> = {
  'image:file': 'files live outside the call',
  'document:file': 'files live outside the call',
  'document:url': 'a document can have any number of pages, so its cost cannot be bounded',
  'document:base64': 'a document can have any number of pages, so its cost cannot be bounded',
};

const CLIENT_TOOLS = /^(custom|bash_\d+|text_editor_\d+)$/;
const SERVER_TOOL = 'tools that the provider defines or runs have a cost that cannot be bounded';

/** All of it with its reason, for the docs. */
export const UNSUPPORTED: readonly (readonly [name: string, reason: string])[] = [
  ...Object.entries(FIELDS),
  ...Object.entries(BLOCKS),
  ...Object.entries(SOURCES),
];

/** Throws GatewayError `invalid_request` naming the first thing that is refused on purpose. Looks at any JSON. */
export function assertSupported(body: unknown): void {
  if (!isRecord(body)) return;
  for (const [field, reason] of Object.entries(FIELDS))
    if (body[field] != null) throw refused(field, reason);
  if (body['speed'] === 'fast') throw refused('speed', 'it changes the price of the call');
  for (const [index, tool] of list(body['tools']).entries()) {
    const type = isRecord(tool) ? tool['type'] : undefined;
    if (typeof type === 'string' && !CLIENT_TOOLS.test(type))
      throw refused(`tools.${index}.type`, SERVER_TOOL);
  }
  for (const [index, message] of list(body['messages']).entries())
    if (isRecord(message)) assertBlocks(message['content'], `messages.${index}.content`);
}

function assertBlocks(content: unknown, path: string): void {
  for (const [index, block] of list(content).entries()) {
    if (!isRecord(block) || typeof block['type'] !== 'string') continue;
    const at = `${path}.${index}`;
    const { type } = block;
    const reason = own(BLOCKS, type);
    if (reason !== undefined) throw refused(`${at}.type`, reason);
    const source = isRecord(block['source']) ? block['source']['type'] : undefined;
    const sourceReason = own(SOURCES, `${type}:${String(source)}`);
    if (sourceReason !== undefined) throw refused(`${at}.source.type`, sourceReason);
    if (type === 'tool_result') assertBlocks(block['content'], `${at}.content`);
  }
}

function refused(param: string, reason: string): GatewayError {
  return new GatewayError('invalid_request', `'${param}' is not supported here: ${reason}.`, {
    param,
  });
}

function own(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
