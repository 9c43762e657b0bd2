// Errors that the service worker itself tells, in OpenAI's shape. Used by answer.ts and ask.ts.

export function errorOf(message: string, code: string, type = 'server_error') {
  return { error: { message, type, param: null, code } }
}

/** The official client asks twice more unless it is told not to, and nothing changes here by itself. */
export function fault(status: number, message: string, code: string, type?: string): Response {
  const headers = { 'x-should-retry': 'false' }
  return Response.json(errorOf(message, code, type), { status, headers })
}
