// Chat messages -> prompt text through the model's Jinja template. The template runs in a throw-away
// worker (template-worker.ts) that is ended after its time, so a hostile one cannot hang the engine.
import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { packageUrl } from '../package-files.ts'
import { startScript } from '../start-script.ts'
import type { ChatMessage } from '../types/index.ts'

/** What the worker is given, once. */
export interface TemplateJob {
  template: string
  variables: Record<string, unknown>
  /** No text the template makes may be longer. */
  maxChars: number
}

/** What the worker posts: ready when it has loaded, then one text or error. */
export type TemplateAnswer =
  | { kind: 'ready' }
  | { kind: 'text'; text: string }
  | { kind: 'error'; message: string }

/** The part of a Worker that is needed. */
export interface TemplateWorker {
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: { message?: string }) => void) | null
  postMessage(job: TemplateJob): void
  terminate(): unknown
}

export interface RenderOptions {
  bosToken: string
  eosToken: string
  /** End with the words that start an answer (default true). */
  addGenerationPrompt?: boolean
  signal?: AbortSignal
  /** Time for rendering, not counting the start of the worker. */
  timeoutMs?: number
  /** Starts a worker running template-worker.ts; for places without `Worker`. */
  spawn?: () => TemplateWorker
}

const MAX_TEMPLATE_CHARS = 1_000_000
const EXTRA_CHARS = 1_000_000
/** The worker's script may still have to come over the network. */
const START_MS = 20_000

/**
 * The prompt text of a conversation. It holds bos where the template writes it: encode it with
 * parseSpecial, and without a second bos.
 * @throws RyzError TEMPLATE_ERROR when there is no template, it fails (raise_exception included),
 *   makes too much text or runs too long; ABORTED
 */
export async function renderChat(
  template: string | undefined,
  messages: readonly ChatMessage[],
  options: RenderOptions,
): Promise<string> {
  const { signal, timeoutMs = 1000 } = options
  throwIfAborted(signal, 'rendering the chat template')
  if (template === undefined || template === '') {
    throw failed('the model has no chat template; use generate() with a prompt, or pass a template')
  }
  if (template.length > MAX_TEMPLATE_CHARS) {
    throw failed(
      `the chat template has ${template.length} characters; ${MAX_TEMPLATE_CHARS} are allowed`,
    )
  }
  const plain = messages.map(({ role, content }) => ({ role, content }))
  const inputChars = plain.reduce((sum, m) => sum + m.role.length + m.content.length, 0)
  const job: TemplateJob = {
    template,
    variables: {
      messages: plain,
      bos_token: options.bosToken,
      eos_token: options.eosToken,
      add_generation_prompt: options.addGenerationPrompt ?? true,
    },
    maxChars: 2 * inputChars + EXTRA_CHARS,
  }
  return runInWorker(job, (options.spawn ?? spawnWorker)(), timeoutMs, signal)
}

function spawnWorker(): TemplateWorker {
  if (typeof Worker === 'undefined') {
    throw failed('there are no workers here to render the chat template in; use generate()')
  }
  try {
    return startScript(packageUrl('template-worker.js'), 'ryzanstein-template') as TemplateWorker
  } catch (cause) {
    throw asRyzError(cause, 'TEMPLATE_ERROR', 'the template worker could not be started')
  }
}

function runInWorker(
  job: TemplateJob,
  worker: TemplateWorker,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    let timer = setTimeout(
      () => end(() => reject(failed(`the template worker did not start within ${START_MS} ms`))),
      START_MS,
    )
    const abort = () =>
      end(() => reject(new RyzError('ABORTED', 'rendering the chat template was cancelled')))
    const end = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      worker.onmessage = null
      worker.onerror = null
      worker.terminate()
      settle()
    }
    signal?.addEventListener('abort', abort)
    worker.onerror = event =>
      end(() => reject(failed(`the template worker failed: ${event.message ?? 'unknown reason'}`)))
    worker.onmessage = event => {
      const answer = event.data as TemplateAnswer
      switch (answer.kind) {
        case 'ready':
          clearTimeout(timer)
          timer = setTimeout(
            () => end(() => reject(failed(`the chat template ran longer than ${timeoutMs} ms`))),
            timeoutMs,
          )
          worker.postMessage(job)
          break
        case 'text':
          end(() => resolve(answer.text))
          break
        case 'error':
          end(() => reject(failed(`the chat template failed: ${answer.message.slice(0, 1000)}`)))
          break
        default:
          answer satisfies never
      }
    }
  })
}

function failed(message: string): RyzError {
  return new RyzError('TEMPLATE_ERROR', message)
}
