/** The languages of the model APIs: the ones that callers speak here, and the ones that providers speak. */
export type Dialect =
  | 'openai-chat'
  | 'openai-embeddings'
  | 'openai-responses'
  | 'anthropic-messages'
  | 'bedrock-converse';
