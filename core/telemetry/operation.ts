import type { Dialect } from '../dialects/dialect.ts';

/** `gen_ai.operation.name` of OpenTelemetry's conventions. */
export function operationOf(dialect: Dialect | string): 'chat' | 'embeddings' {
  return dialect === 'openai-embeddings' ? 'embeddings' : 'chat';
}
