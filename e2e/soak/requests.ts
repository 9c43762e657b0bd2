// The requests of the soak: what a busy page sends, by kind, with what may become of each. A kind also looks at
// its answer: JSON must meet its schema, a call must be one, and what is asked again must come out the same.
import type {
  ChatMessage,
  ChatTool,
  GenerateOptions,
  GenerateResult,
  Ryzanstein,
  TokenStream,
} from '../../src/index.ts'

/** How a request ended, as its caller saw it. */
export type Outcome = 'served' | 'cancelled' | 'refused' | 'timedOut' | 'failed'

/** What a request can use. */
export interface Sender {
  readonly engine: Ryzanstein
  /** Of the engine. */
  readonly contextLength: number
  /** Length of prompts and answers beside that of a busy page; 0.5 for a GPU in software. */
  readonly length: number
  /** A whole number below n. */
  upTo(n: number): number
  /** Token ids of the vocabulary, the same for the same numbers. */
  ids(count: number, from: number): number[]
  /** Counts a token list of an answer. */
  received(tokens: number): void
  /** An answer that must be the same whenever it is asked for. */
  same(question: string, answer: string): void
  /** The answer is not what it must be. */
  wrong(what: string): void
}

export interface Kind {
  readonly name: string
  /** Its share of the requests, in parts of the sum. */
  readonly weight: number
  /** The ends that this kind may have; every kind may find the queue full or wait too long. */
  readonly ends: readonly Outcome[]
  /** So many at the same moment; 1 when absent. */
  readonly burst?: number
  send(sender: Sender): Promise<unknown>
}

/** A template that offers functions, for models that bring none. */
export const TEMPLATE = `{%- for m in messages %}{{ m.role }}: {{ m.content }}{{ '\\n' }}{%- endfor %}
{%- if tools %}functions:{%- for t in tools %} {{ t.function.name }}{%- endfor %} in <tool_call></tool_call>{{ '\\n' }}{%- endif %}
{%- if add_generation_prompt %}assistant: {%- endif %}`

const COLOURS = ['red', 'green', 'blue']
const SCHEMA = {
  type: 'object',
  properties: { colour: { enum: COLOURS }, whole: { type: 'boolean' } },
  required: ['colour', 'whole'],
  additionalProperties: false,
}
const TOOL: ChatTool = {
  type: 'function',
  function: { name: 'paint', strict: true, parameters: SCHEMA },
}
/** Tokens of a block of the KV cache, of which sessions are made. */
const KV_BLOCK = 32
const QUESTIONS = ['Where is the cat?', 'Who is the king of the wood?', 'What did the bird say?']

/** Reads a stream to its end, or leaves it after so many tokens. */
async function read(
  stream: TokenStream,
  sender: Sender,
  leaveAfter = Number.POSITIVE_INFINITY,
): Promise<GenerateResult> {
  let received = 0
  for await (const chunk of stream) {
    sender.received(chunk.tokens.length)
    received += chunk.tokens.length
    if (received >= leaveAfter) break
  }
  return await stream.result
}

/** One of three beginnings of 70 tokens, and something of its own behind it. */
function prompt(s: Sender): number[] {
  return [...s.ids(scaled(s, 70), s.upTo(3)), ...s.ids(scaled(s, 1 + s.upTo(60)), s.upTo(1000))]
}

function scaled({ length }: Sender, tokens: number): number {
  return Math.max(1, Math.round(length * tokens))
}

function generate(sender: Sender, tokens: number[], wish: GenerateOptions, leaveAfter?: number) {
  const options = { seed: sender.upTo(1e6), ignoreEos: true, ...wish }
  return read(sender.engine.generate(tokens, options), sender, leaveAfter)
}

function question({ upTo }: Sender): ChatMessage[] {
  const content = QUESTIONS[upTo(QUESTIONS.length)]!
  return [{ role: 'user', content }]
}

function isPaint(value: unknown): boolean {
  const { colour, whole } = value as { colour: string; whole: unknown }
  return COLOURS.includes(colour) && typeof whole === 'boolean'
}

/** Text of numbers, bit for bit. */
function bits(values: Float32Array): string {
  return Array.from(new Uint32Array(values.slice().buffer), word => word.toString(16)).join(' ')
}

/** Requests by token ids alone, for any model. */
export const PLAIN_KINDS: readonly Kind[] = [
  {
    name: 'short',
    weight: 40,
    ends: ['served'],
    send: s => generate(s, prompt(s), { maxTokens: scaled(s, 4 + s.upTo(20)) }),
  },
  {
    name: 'long',
    weight: 20,
    ends: ['served'],
    send: s => {
      const maxTokens = scaled(s, 60 + s.upTo(120))
      return generate(s, prompt(s), { maxTokens, priority: s.upTo(5) })
    },
  },
  {
    name: 'past the context',
    weight: 10,
    ends: ['served'],
    send: s => {
      const tokens = s.ids(s.contextLength - scaled(s, 20), s.upTo(5))
      return generate(s, tokens, { maxTokens: scaled(s, 60), overflow: 'slide' })
    },
  },
  {
    name: 'left',
    weight: 12,
    // The last token may have been on its way already.
    ends: ['cancelled', 'served'],
    send: s => generate(s, prompt(s), { maxTokens: 200 }, scaled(s, 1 + s.upTo(30))),
  },
  {
    name: 'impossible',
    weight: 4,
    ends: ['failed'],
    send: s => generate(s, [s.engine.model.vocab], {}),
  },
  {
    name: 'too long',
    weight: 4,
    ends: ['failed'],
    send: s => generate(s, s.ids(s.contextLength, 1), {}),
  },
  {
    name: 'impatient',
    weight: 5,
    ends: ['served'],
    send: s => generate(s, prompt(s), { maxTokens: scaled(s, 8), queueTimeoutMs: 0 }),
  },
  {
    name: 'burst',
    weight: 5,
    ends: ['served'],
    burst: 6,
    send: s => generate(s, prompt(s), { maxTokens: 3, reuse: false }),
  },
]

/** Requests that a page with chats, functions and searches sends; the engine needs a chat template. */
export const RICH_KINDS: readonly Kind[] = [
  {
    name: 'chat',
    weight: 12,
    ends: ['served'],
    send: async s => {
      const messages = question(s)
      const options = { maxTokens: scaled(s, 24), temperature: 0, ignoreEos: true }
      const { text } = await read(s.engine.chat(messages, options), s)
      s.same(`chat ${messages[0]!.content}`, text)
    },
  },
  {
    name: 'tools',
    weight: 8,
    ends: ['served'],
    send: async s => {
      const options = { tools: [TOOL], toolChoice: 'required', parallelToolCalls: false } as const
      const stream = s.engine.chat(question(s), { ...options, seed: s.upTo(1e6), maxTokens: 60 })
      const { toolCalls = [], finishReason } = await read(stream, s)
      const call = toolCalls[0]?.function
      // White space may take all the tokens there are.
      const right = call
        ? call.name === 'paint' && isPaint(JSON.parse(call.arguments))
        : finishReason === 'length'
      if (!right) s.wrong(`a call ended by ${finishReason}: ${JSON.stringify(toolCalls)}`)
    },
  },
  {
    name: 'json',
    weight: 8,
    ends: ['served'],
    send: async s => {
      const responseFormat = { type: 'json_schema', schema: SCHEMA } as const
      const options = { responseFormat, seed: s.upTo(1e6), maxTokens: 60 }
      const { text, complete, finishReason } = await read(s.engine.chat(question(s), options), s)
      const right = complete ? isPaint(JSON.parse(text)) : finishReason === 'length'
      if (!right) s.wrong(`JSON that is none: ${text}`)
    },
  },
  {
    name: 'score',
    weight: 5,
    ends: ['served'],
    send: async s => {
      const which = s.upTo(4)
      const { logprobs } = await s.engine.score(s.ids(24, which))
      s.same(`score ${which}`, bits(logprobs))
    },
  },
  {
    name: 'embed',
    weight: 5,
    ends: ['served'],
    send: async s => {
      const which = s.upTo(4)
      const { embeddings } = await s.engine.embed([s.ids(20, which), s.ids(9, which + 1)])
      s.same(`embed ${which}`, embeddings.map(bits).join())
    },
  },
  {
    name: 'session',
    weight: 3,
    ends: ['served'],
    send: async s => {
      const tokens = s.ids(scaled(s, 70), 500 + s.upTo(3))
      const { tokens: kept } = await s.engine.restoreSession(await s.engine.saveSession(tokens))
      const whole = tokens.length - (tokens.length % KV_BLOCK)
      if (kept !== whole) s.wrong(`a session of ${kept} tokens instead of ${whole}`)
      await generate(s, tokens, { maxTokens: scaled(s, 6) })
    },
  },
]

/** All of them; a run that lacks one has not shown what it is for. */
export const ALL_KINDS: readonly Kind[] = [...PLAIN_KINDS, ...RICH_KINDS]
