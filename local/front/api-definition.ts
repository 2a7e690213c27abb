/** A REST API as the template describes it. */
export interface ApiDefinition {
  readonly id: string;
  readonly stage: string;
  readonly accountId: string;
  readonly routes: readonly Route[];
  /** By response type, such as DEFAULT_4XX. */
  readonly gatewayResponses: Readonly<Record<string, GatewayResponse>>;
  readonly binaryMediaTypes: readonly string[];
  readonly throttle?: { readonly ratePerSecond: number; readonly burst: number };
}

export interface Route {
  /** As in `/v1/{proxy+}`. */
  readonly path: string;
  readonly resourceId: string;
  /** Or ANY. */
  readonly method: string;
  readonly functionName: string;
  /** Response transfer mode STREAM. */
  readonly streaming: boolean;
  readonly timeoutMs: number;
}

export interface GatewayResponse {
  readonly statusCode?: number;
  /** `gatewayresponse.header.<name>` -> `'literal'` or `context.<path>`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** By content type. */
  readonly templates: Readonly<Record<string, string>>;
}
