// The interface of an engine over any server that speaks OpenAI's protocol (vLLM, llama.cpp's server, Ray Serve,
// `ryzanstein serve`): generate() and chat() as on this device. Nothing is sent before a request asks for it.
// What is asked: body.ts; how answers are read: answer.ts.
import { TokenStream } from '../../api/token-stream.ts'
import { RyzError } from '../../errors.ts'
import { ANSWER_RULES } from '../../options/answer.ts'
import { GENERATE_RULES } from '../../options/generate.ts'
import { CHAT_INPUT_RULES, chatInput } from '../../options/input.ts'
import {
  badOption,
  callback,
  check,
  checkOptions,
  finite,
  kindOf,
  type Rules,
  text,
  whole,
} from '../../options/rules.ts'
import type { ChatMessage, ChatOptions, GenerateOptions } from '../../types/index.ts'
import { readAnswer } from './answer.ts'
import { chatBody, completionBody } from './body.ts'
import { post, type Server } from './post.ts'
import type { RemoteOptions } from './remote-options.ts'

export type { RemoteOptions } from './remote-options.ts'

const RULES: Rules<RemoteOptions> = {
  baseURL: value =>
    typeof value === 'string' || kindOf(value) === 'URL' ? undefined : 'the URL of a server',
  model: text,
  apiKey: text,
  headers: value => (kindOf(value) === 'Object' ? undefined : 'an object of headers'),
  fetch: callback,
  timeoutMs: finite(false),
  retries: whole(0, 100),
}

/** What remote() gives: the part of an engine that a server of this protocol can be. */
export interface RemoteEngine {
  readonly model: { readonly name: string }
  /** /v1/completions, streamed. */
  generate(prompt: string, options?: GenerateOptions): TokenStream
  /** /v1/chat/completions, streamed. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): TokenStream
  /** Ends every open request with CLOSED. */
  close(): Promise<void>
  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * An engine elsewhere. Results have no token ids, which the protocol does not tell; options that it does not
 * know are BAD_OPTION by name.
 * @throws RyzError BAD_OPTION. Streams fail with NETWORK (detail.status), QUEUE_FULL (429 to the last try),
 *   CONTEXT_FULL, BAD_OPTION (what the server refused), ABORTED, CLOSED
 * @example
 * const cluster = remote({ baseURL: 'https://llm.example/v1', model: 'bitnet-2b' })
 * const { text } = await cluster.chat([{ role: 'user', content: 'Hi' }]).result
 */
export function remote(options: RemoteOptions): RemoteEngine {
  const checked = checkOptions(RULES, options, 'remote()')
  check('baseURL', checked.baseURL, RULES.baseURL)
  check('model', checked.model, text)
  return new Remote(checked)
}

class Remote implements RemoteEngine {
  readonly model: { readonly name: string }
  readonly #server: Server
  readonly #open = new Set<(error: RyzError) => void>()
  #closed = false

  constructor(options: RemoteOptions) {
    this.model = { name: options.model }
    this.#server = { ...options, base: baseOf(options.baseURL) }
  }

  generate(prompt: string, options: GenerateOptions = {}): TokenStream {
    return this.#stream('completions', () => {
      check('prompt', prompt, text)
      const { signal, ...asked } = checkOptions(GENERATE_RULES, options, 'generate()')
      return { signal, body: completionBody(this.model.name, prompt, asked) }
    })
  }

  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): TokenStream {
    return this.#stream('chat/completions', () => {
      const rules = { ...GENERATE_RULES, ...CHAT_INPUT_RULES, ...ANSWER_RULES }
      const { signal, ...asked } = checkOptions(rules, options, 'chat()')
      const { tools, templateOptions, continueLast } = asked
      const input = chatInput('messages', messages, { tools, templateOptions, continueLast })
      return { signal, body: chatBody(this.model.name, input, asked) }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const end of [...this.#open]) end(closed())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #stream(
    path: string,
    read: () => { signal: AbortSignal | undefined; body: Record<string, unknown> },
  ): TokenStream {
    return new TokenStream(stream => {
      const controller = new AbortController()
      const end = (error: RyzError): void => {
        this.#open.delete(end)
        signal?.removeEventListener('abort', cancel)
        controller.abort()
        stream.fail(error)
      }
      const cancel = (): void => end(new RyzError('ABORTED', 'the request was cancelled'))
      let signal: AbortSignal | undefined
      let body: Record<string, unknown>
      try {
        ;({ signal, body } = read())
        if (this.#closed) throw closed()
      } catch (caught) {
        stream.fail(caught as RyzError)
        return () => undefined
      }
      if (signal?.aborted) {
        cancel()
        return () => undefined
      }
      signal?.addEventListener('abort', cancel, { once: true })
      this.#open.add(end)
      const began = performance.now()
      post(this.#server, path, body, controller.signal)
        .then(answer => readAnswer(answer, began, chunk => stream.push(chunk)))
        .then(result => {
          if (!this.#open.delete(end)) return
          signal?.removeEventListener('abort', cancel)
          stream.done(result)
        }, end)
      return cancel
    })
  }
}

function closed(): RyzError {
  return new RyzError('CLOSED', 'this remote engine was closed; make another with remote()')
}

/** With one slash at its end. */
function baseOf(given: string | URL): string {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href
  try {
    const { href } = new URL(given, page)
    return href.endsWith('/') ? href : `${href}/`
  } catch {
    throw badOption('baseURL', given, 'the URL of a server, such as https://host/v1')
  }
}
