/** Streams of test data, and what Anthropic's own clients make of a stream's text. */
import Anthropic from '@anthropic-ai/sdk';

export function sse(...events: readonly { readonly type: string }[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

/** The message that the official SDK puts together; rejects as it does. */
export function accumulated(body: string): Promise<Anthropic.Message> {
  const client = new Anthropic({
    apiKey: 'k',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
  });
  return client.messages
    .stream({ model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] })
    .finalMessage();
}
