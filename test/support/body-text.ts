/** What a provider reads of a request's body, which is bytes in parts where it is long. */
export function bodyText(body: string | readonly Uint8Array[]): string {
  return typeof body === 'string' ? body : Buffer.concat(body).toString();
}
