/** What a provider reads of a request's body, which is bytes where it is long. */
export function bodyText(body: string | Uint8Array): string {
  return Buffer.from(body).toString();
}
