/** A Responses request in no dialect's words. What only this dialect can say is refused or left out by RESPONSES_FIELDS. */
import { GatewayError } from '../../errors.ts';
import type {
  Conversation,
  ImagePart,
  OutputFormat,
  Part,
  TextPart,
  Thinking,
  Tool,
  ToolChoice,
  Turn,
} from '../conversation.ts';
import { droppedFields, isInstruction, refusedFields } from './responses-fields.ts';
import { uncarry } from './responses-reasoning.ts';
import type { InputItem, ResponsesBody } from './responses-request.ts';

/** Throws GatewayError `invalid_request` naming the field that no other dialect can express. */
export function conversationOf(body: ResponsesBody): Conversation {
  const [refused] = refusedFields(body, 'other dialects');
  if (refused !== undefined)
    throw new GatewayError(
      'invalid_request',
      `This model cannot be called with '${refused.field}': ${refused.reason}.`,
      { param: refused.field },
    );
  const { toolChoice, output, thinking } = {
    toolChoice: toolChoiceOf(body),
    output: outputOf(body),
    thinking: thinkingOf(body),
  };
  return {
    ...spoken(body),
    tools: (body.tools ?? []).flatMap(toolOf),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(body.parallel_tool_calls == null ? {} : { parallelToolCalls: body.parallel_tool_calls }),
    ...(output === undefined ? {} : { output }),
    ...(thinking === undefined ? {} : { thinking }),
    ...(body.temperature == null ? {} : { temperature: body.temperature }),
    ...(body.top_p == null ? {} : { topP: body.top_p }),
    stop: [],
    others: {},
    leftOut: droppedFields(body, 'other dialects'),
  };
}

function spoken({ instructions, input }: ResponsesBody): Pick<Conversation, 'system' | 'turns'> {
  const system: TextPart[] = instructions ? [{ kind: 'text', text: instructions }] : [];
  const turns: { role: Turn['role']; parts: Part[] }[] = [];
  const say = (role: Turn['role'], parts: readonly Part[]) => {
    const last = turns.at(-1);
    if (parts.length === 0) return;
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  };
  if (typeof input === 'string') say('user', [{ kind: 'text', text: input }]);
  else
    for (const [index, item] of input.entries()) {
      // Later instructions stay where they are, because their place is part of what they mean.
      if (isInstruction(item) && turns.length === 0)
        system.push(...messageParts(item, index).filter((part) => part.kind === 'text'));
      else say(...said(item, index));
    }
  return { system, turns };
}

function said(item: InputItem, index: number): [Turn['role'], readonly Part[]] {
  switch (item.type) {
    case 'message':
      return [item.role === 'assistant' ? 'assistant' : 'user', messageParts(item, index)];
    case 'function_call': {
      const { call_id: id, name, arguments: json } = item;
      return ['assistant', [{ kind: 'tool-call', id, name, arguments: json }]];
    }
    case 'function_call_output':
      return [
        'user',
        [
          {
            kind: 'tool-result',
            callId: item.call_id,
            content:
              typeof item.output === 'string'
                ? [{ kind: 'text', text: item.output }]
                : item.output.map(contentPart),
            isError: false,
          },
        ],
      ];
    case 'reasoning':
      return ['assistant', [thought(item)]];
    case 'custom_tool_call':
    case 'custom_tool_call_output':
      throw new TypeError('refused by a rule before');
  }
}

function messageParts(
  { role, content }: Extract<InputItem, { type: 'message' }>,
  index: number,
): readonly Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  return content.map((part): Part => {
    if (part.type === 'refusal') return { kind: 'refusal', text: part.refusal };
    if (part.type !== 'input_image') return { kind: 'text', text: part.text };
    if (role === 'user') return contentPart(part);
    const message = `Only messages of role 'user' may hold images.`;
    throw new GatewayError('invalid_request', message, { param: `input.${index}.content` });
  });
}

type Content = Exclude<Extract<InputItem, { type: 'function_call_output' }>['output'], string>;

function contentPart(part: Content[number]): TextPart | ImagePart {
  if (part.type === 'input_text') return { kind: 'text', text: part.text };
  const [, mediaType, data] =
    /^data:([a-z]+\/[a-z0-9.+-]+);base64,(.*)$/is.exec(part.image_url) ?? [];
  return mediaType === undefined || data === undefined
    ? { kind: 'image', source: { kind: 'url', url: part.image_url } }
    : { kind: 'image', source: { kind: 'base64', mediaType, data } };
}

/** Reasoning of another maker comes without a signature, and targets that want one leave it out. */
function thought({
  summary,
  content,
  encrypted_content,
}: Extract<InputItem, { type: 'reasoning' }>): Part {
  const own = uncarry(encrypted_content);
  if (own !== undefined) return own;
  const text = (content?.length ? content : summary).map((each) => each.text).join('\n\n');
  return { kind: 'thinking', text, signature: undefined };
}

function toolOf(tool: NonNullable<ResponsesBody['tools']>[number]): Tool[] {
  if (tool.type === 'custom') return [];
  const { name, description, parameters, strict } = tool;
  return [
    {
      name,
      description: description ?? undefined,
      schema: parameters ?? { type: 'object', properties: {} },
      ...(strict == null ? {} : { strict }),
    },
  ];
}

function toolChoiceOf({ tool_choice: choice }: ResponsesBody): ToolChoice | undefined {
  if (choice == null) return undefined;
  if (typeof choice === 'string') return { kind: choice };
  return choice.type === 'function' ? { kind: 'tool', name: choice.name } : undefined;
}

function outputOf({ text }: ResponsesBody): OutputFormat | undefined {
  const format = text?.format;
  if (format == null || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { kind: 'json' };
  const { name, schema, strict } = format;
  return { kind: 'schema', name, schema, ...(strict == null ? {} : { strict }) };
}

function thinkingOf({ reasoning }: ResponsesBody): Thinking | undefined {
  const effort = reasoning?.effort;
  if (effort == null) return undefined;
  return effort === 'none' ? { kind: 'off' } : { kind: 'effort', effort };
}
