/** The tools of a conversation and which of them the model must use, for Converse. */
import { inexpressible } from '../compatibility.ts';
import type { Conversation, Tool, ToolChoice } from '../conversation.ts';
import { type Block, cachePoints } from './content.ts';
import { type Draft, drop, refuse } from './draft.ts';

interface ToolSettings {
  readonly toolConfig?: { readonly tools: readonly Block[]; readonly toolChoice?: Block };
  /** Claude's own words, for what Converse has none for; they stand in for `toolChoice`. */
  readonly claudeChoice?: Readonly<Record<string, unknown>>;
}

const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** Throws GatewayError `invalid_request` for a choice that the model cannot be held to. */
export function toolSettings(conversation: Conversation, draft: Draft): ToolSettings {
  const { tools, toolChoice, parallelToolCalls, turns } = conversation;
  const hasHistory = turns.some(({ parts }) =>
    parts.some(({ kind }) => kind === 'tool-call' || kind === 'tool-result'),
  );
  if (tools.length === 0) return hasHistory ? refuse('tools') : {};
  // Without a history the tools need not be known to a model that may not use them.
  if (toolChoice?.kind === 'none' && !hasHistory) return {};
  const specs = tools.flatMap((tool) => toolBlocks(tool, draft));
  const isClaude = draft.rules.family === 'claude';
  if (parallelToolCalls === false || toolChoice?.kind === 'none') {
    if (!isClaude) refuse(parallelToolCalls === false ? 'parallel_tool_calls' : 'tool_choice');
    const claudeChoice = inClaudesWords(toolChoice, parallelToolCalls === false);
    return { toolConfig: { tools: specs }, claudeChoice };
  }
  const choice = toolChoice === undefined ? undefined : inConversesWords(toolChoice);
  return {
    toolConfig: choice === undefined ? { tools: specs } : { tools: specs, toolChoice: choice },
  };
}

function toolBlocks({ name, description, schema, strict, cache }: Tool, draft: Draft): Block[] {
  if (!TOOL_NAME.test(name))
    throw inexpressible('tools', 'a name must be 1 to 64 letters, digits, dashes and underscores');
  const isStrict = strict === true && draft.rules.knowsStrictTools;
  if (strict === true && !isStrict) drop(draft, 'strict');
  const toolSpec = {
    name,
    ...(description === undefined || description.trim() === '' ? {} : { description }),
    inputSchema: { json: schema },
    ...(isStrict ? { strict } : {}),
  };
  return [{ toolSpec }, ...cachePoints(cache, draft, 'tools')];
}

function inConversesWords(choice: ToolChoice): Block | undefined {
  switch (choice.kind) {
    case 'auto':
      return { auto: {} };
    case 'required':
      return { any: {} };
    case 'tool':
      return { tool: { name: choice.name } };
    case 'none':
      return undefined;
  }
}

function inClaudesWords(choice: ToolChoice = { kind: 'auto' }, oneAtATime: boolean) {
  const one = oneAtATime ? { disable_parallel_tool_use: true } : {};
  switch (choice.kind) {
    case 'auto':
      return { type: 'auto', ...one };
    case 'required':
      return { type: 'any', ...one };
    case 'tool':
      return { type: 'tool', name: choice.name, ...one };
    case 'none':
      return { type: 'none' };
  }
}
