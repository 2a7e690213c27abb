/** Where calls go, and what leads them through. */
export interface Endpoint {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function withKey(key: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${key}` };
}
