// Errors in OpenAI's shape, with the status that its clients act on. Called by engine-fetch.ts.
import { asRyzError, type ErrorCode, type RyzError } from '../../errors.ts'

/** What stands in `error` of a response. */
export interface ApiError {
  message: string
  type: 'invalid_request_error' | 'rate_limit_error' | 'server_error'
  param: string | null
  code: string
}

export interface HttpFault {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly error: ApiError
}

/** Seconds after which a place may be free again; clients wait longer each time. */
const RETRY_SECONDS = '1'

/** Codes with a status of their own; what is not listed is 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  BAD_OPTION: 400,
  TEMPLATE_ERROR: 400,
  CONTEXT_FULL: 400,
  QUEUE_FULL: 429,
  // The engine is there again with the next call, or as soon as others are done.
  QUEUE_TIMEOUT: 503,
  WORKER_DIED: 503,
  KERNEL_TRAP: 503,
  DEVICE_LOST: 503,
  GPU_OOM: 503,
  CLOSED: 503,
}

/** Options of the SDK whose field has another name than theirs in snake case. */
const FIELDS = new Map([
  ['templateOptions', 'chat_template_kwargs'],
  ['texts', 'input'],
])

/** A request that is wrong whatever the engine says. */
export class Refusal extends Error {
  readonly fault: HttpFault

  constructor(
    status: number,
    message: string,
    code: string,
    more: { param?: string; headers?: HttpFault['headers'] } = {},
  ) {
    super(message)
    const { param = null, headers = {} } = more
    this.fault = {
      status,
      headers,
      error: { message, type: 'invalid_request_error', param, code },
    }
  }
}

/**
 * What a client is told of an error of the engine.
 * @param content  the field that holds what the model reads
 */
export function faultOf(caught: unknown, content: string | null = null): HttpFault {
  if (caught instanceof Refusal) return caught.fault
  const error = asRyzError(caught, 'INTERNAL', 'the request failed')
  const status = STATUS[error.code] ?? 500
  return {
    status,
    headers: headersOf(status, error.code),
    error: {
      message: messageOf(error),
      type: typeOf(status),
      param: paramOf(error, content),
      code: error.code === 'CONTEXT_FULL' ? 'context_length_exceeded' : error.code.toLowerCase(),
    },
  }
}

/** The official client tries 5xx again unless it is told not to. */
function headersOf(status: number, code: ErrorCode): HttpFault['headers'] {
  if (status < 429) return {}
  const again = status !== 500 && code !== 'CLOSED'
  return again ? { 'retry-after': RETRY_SECONDS } : { 'x-should-retry': 'false' }
}

function typeOf(status: number): ApiError['type'] {
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** The field in the client's words, where an option is to blame. */
function paramOf({ code, detail }: RyzError, content: string | null): string | null {
  if (code === 'CONTEXT_FULL' || code === 'TEMPLATE_ERROR') return content
  return typeof detail.option === 'string' ? fieldOf(detail.option) : null
}

function fieldOf(option: string): string {
  // What the engine says of ids, which it checks against its vocabulary.
  if (option === 'a token id of the prompt') return 'prompt'
  const [name] = /^\w*/.exec(option)!
  const field = FIELDS.get(name) ?? name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return field + option.slice(name.length)
}

function messageOf({ message, detail: { option } }: RyzError): string {
  if (typeof option !== 'string' || !message.startsWith(option)) return message
  return fieldOf(option) + message.slice(option.length)
}
