/** Messages both ways, as one file to load: what reads a caller's shares most with what asks a provider. */
export { countTokensCall, messagesCall } from './messages-call.ts';
export { anthropicMessages } from './messages-outbound.ts';
