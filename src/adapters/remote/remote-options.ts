// Where a remote engine is and how it is reached. Public; see remote.ts.

/** Which server, which model, and how it is asked. */
export interface RemoteOptions {
  /** Where `/chat/completions` is, such as `https://host/v1`. */
  baseURL: string | URL
  /** The name that the server knows the model by. */
  model: string
  /** Sent as `Authorization: Bearer`. In a page, everybody who opens it can read it. */
  apiKey?: string
  /** More headers, for a proxy of your own. */
  headers?: Readonly<Record<string, string>>
  /** In place of the browser's fetch. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** Milliseconds of silence after which a request has failed (default 60,000). */
  timeoutMs?: number
  /** How often a refused request (429, 503) or one that did not arrive is sent again (default 2). */
  retries?: number
}
