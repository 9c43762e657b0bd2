// Errors that the service worker itself tells, in OpenAI's shape. Used by answer.ts and ask.ts.

export function errorOf(message: string, code: string) {
  return { error: { message, type: 'server_error', param: null, code } }
}

/** The official client asks twice more unless it is told not to, and nothing changes here by itself. */
export function fault(status: number, message: string, code: string): Response {
  return Response.json(errorOf(message, code), { status, headers: { 'x-should-retry': 'false' } })
}
