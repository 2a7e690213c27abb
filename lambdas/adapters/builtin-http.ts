/**
 * Node's HTTP clients without their ES modules: an import of `node:http` reads every export once to fill a namespace, and one of
 * them, WebSocket, loads a second HTTP client, which takes several times as long as all else that a call needs (ADR 0020).
 */
export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
