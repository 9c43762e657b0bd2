// Refusals in the shape of OpenAI's errors. Used by server.ts and what it is made of.

/** A request that is answered with a status and a sentence, and nothing else. */
export class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  500: 'server_error',
  503: 'server_error',
}

/** What went wrong, as OpenAI's servers say it. */
export function refusal(caught: unknown): Response {
  const status = caught instanceof Refused ? caught.status : 500
  const message = caught instanceof Error ? caught.message : String(caught)
  const type = TYPES[status] ?? 'invalid_request_error'
  const headers = new Headers()
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  if (status === 503) headers.set('retry-after', '5')
  // What is left of the body is not worth reading.
  if (status === 408 || status === 413 || status === 503) headers.set('connection', 'close')
  return Response.json({ error: { message, type, param: null, code: null } }, { status, headers })
}
