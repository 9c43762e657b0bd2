// Reads a streamed answer of OpenAI's protocol (server-sent events; or one JSON, where the server does not stream)
// into chunks and a result of this package. Used by remote.ts.
import { RyzError } from '../../errors.ts'
import type {
  FinishReason,
  GenerateResult,
  MadeToolCall,
  TokenChunk,
  TokenLogprob,
  ToolCallDelta,
} from '../../types/index.ts'
import type { OpenAnswer } from './post.ts'

interface WireCall {
  index?: number
  id?: string
  function?: { name?: string; arguments?: string }
}

interface WireEntry {
  token: string
  logprob: number
  bytes?: number[] | null
  top_logprobs?: WireEntry[]
}

interface WirePiece {
  content?: string | null
  reasoning?: string | null
  reasoning_content?: string | null
  tool_calls?: WireCall[] | null
}

interface WireChunk {
  error?: { message?: string } | string
  choices?: {
    text?: string
    delta?: WirePiece
    message?: WirePiece
    finish_reason?: string | null
    logprobs?: { content?: WireEntry[] | null } | null
  }[]
  usage?: {
    prompt_tokens?: number
    completion_tokens?: number
    prompt_tokens_details?: { cached_tokens?: number } | null
  } | null
}

const FINISH: Readonly<Record<string, FinishReason>> = {
  stop: 'eos',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
}

/**
 * @param began  when the request was made, on performance.now()
 * @param push   gets every piece as it comes
 * @throws RyzError NETWORK when it breaks off before its end, is none of this protocol, or says that it failed
 */
export async function readAnswer(
  answer: OpenAnswer,
  began: number,
  push: (chunk: TokenChunk) => void,
): Promise<GenerateResult> {
  const reading = new Reading(answer.url, began, push)
  if (!answer.contentType.includes('event-stream')) {
    reading.take(parsed(answer.url, await wholeText(answer)))
    return reading.result()
  }
  for await (const data of events(answer)) {
    if (data === '[DONE]') break
    reading.take(parsed(answer.url, data))
  }
  return reading.result()
}

/** What was said so far. */
class Reading {
  readonly #url: string
  readonly #began: number
  readonly #push: (chunk: TokenChunk) => void
  #text = ''
  #reasoning = ''
  #finish: string | undefined
  #usage: NonNullable<WireChunk['usage']> = {}
  #firstAt: number | undefined
  readonly #calls: MadeToolCall[] = []

  constructor(url: string, began: number, push: (chunk: TokenChunk) => void) {
    this.#url = url
    this.#began = began
    this.#push = push
  }

  take({ error, choices, usage }: WireChunk): void {
    if (error !== undefined) {
      const said = typeof error === 'string' ? error : error.message
      throw new RyzError('NETWORK', `${this.#url} failed while it answered: ${said}`)
    }
    if (usage) this.#usage = usage
    const [choice] = choices ?? []
    if (choice === undefined) return
    const piece = choice.delta ?? choice.message ?? {}
    const text = choice.text ?? piece.content ?? ''
    const reasoning = piece.reasoning ?? piece.reasoning_content ?? ''
    const entries = choice.logprobs?.content ?? undefined
    for (const call of piece.tool_calls ?? []) this.#call(call)
    this.#finish = choice.finish_reason ?? this.#finish
    this.#text += text
    this.#reasoning += reasoning
    const said = text !== '' || reasoning !== ''
    if (!said && entries === undefined) return
    this.#firstAt ??= performance.now()
    this.#push({
      text,
      tokens: [],
      ...(reasoning !== '' && { reasoning }),
      ...(entries && { logprobs: entries.map(logprobsOf) }),
    })
  }

  /** Calls come in pieces; they are told when all of them are whole. */
  #call({ index = this.#calls.length, id, function: called }: WireCall): void {
    this.#firstAt ??= performance.now()
    let call = this.#calls[index]
    if (call === undefined) {
      call = { id: id ?? `call_${index}`, type: 'function', function: { name: '', arguments: '' } }
      this.#calls[index] = call
    }
    if (id !== undefined && id !== null) call.id = id
    call.function.name += called?.name ?? ''
    call.function.arguments += called?.arguments ?? ''
  }

  /** @throws RyzError NETWORK when it never said that it ended */
  result(): GenerateResult {
    if (this.#finish === undefined) {
      throw new RyzError('NETWORK', `the answer of ${this.#url} broke off before its end`)
    }
    const calls = this.#calls.filter(call => call !== undefined)
    if (calls.length > 0) {
      const toolCalls: ToolCallDelta[] = calls.map((call, index) => ({ ...call, index }))
      this.#push({ text: '', tokens: [], toolCalls })
    }
    const now = performance.now()
    const first = this.#firstAt ?? now
    const { prompt_tokens, prompt_tokens_details } = this.#usage
    return {
      text: this.#text,
      tokens: [],
      ...(this.#reasoning !== '' && { reasoning: this.#reasoning }),
      ...(calls.length > 0 && { toolCalls: calls }),
      finishReason: FINISH[this.#finish] ?? 'stop',
      promptTokens: prompt_tokens ?? 0,
      reusedTokens: prompt_tokens_details?.cached_tokens ?? 0,
      slides: 0,
      seed: 0,
      queueMs: 0,
      prefillMs: first - this.#began,
      ttftMs: first - this.#began,
      decodeMs: now - first,
    }
  }
}

function logprobsOf({ top_logprobs = [], ...chosen }: WireEntry): TokenLogprob[] {
  const encoder = new TextEncoder()
  return [chosen, ...top_logprobs].map(({ token, logprob, bytes }) => ({
    token: -1,
    logprob,
    bytes: bytes ?? [...encoder.encode(token)],
    text: token,
  }))
}

function parsed(url: string, text: string): WireChunk {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told below.
  }
  throw new RyzError(
    'NETWORK',
    `${url} sent ${JSON.stringify(text.slice(0, 100))}, which is no answer of OpenAI's protocol; check baseURL`,
  )
}

async function wholeText(answer: OpenAnswer): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for (let piece = await answer.read(); piece; piece = await answer.read()) {
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

/** The data of server-sent events, whatever ends their lines (WHATWG HTML, 9.2.6). */
async function* events(answer: OpenAnswer): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  for (;;) {
    const piece = await answer.read()
    rest += piece ? decoder.decode(piece, { stream: true }) : decoder.decode()
    // A \r at the end may be the first half of \r\n.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop()!
    if (!piece && rest !== '') lines.push(rest, '')
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
      if (line !== '' || data.length === 0) continue
      yield data.join('\n')
      data = []
    }
    if (!piece) {
      if (data.length > 0) yield data.join('\n')
      return
    }
  }
}
