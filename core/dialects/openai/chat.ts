/** Chat completions both ways, as one file to load: what reads a caller's shares most with what asks a provider. */
export { chatCall } from './chat-call.ts';
export { openAiChat } from './chat-outbound.ts';
