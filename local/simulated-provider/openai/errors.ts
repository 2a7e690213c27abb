import type { ErrorAnswer, Flavour, WireError } from '../wire.ts';

/** OpenAI's error object; vLLM and Azure put other things in `code`. */
export function openAiError(status: number, error: WireError, flavour: Flavour): ErrorAnswer {
  return { body: errorText(error, flavour === 'vllm' ? status : (error.code ?? null)) };
}

export function errorText(
  { message, type, param = null }: WireError,
  code: string | number | null = null,
): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

export const ENGINE_DIED: WireError = { message: 'The engine died.', type: 'server_error' };
