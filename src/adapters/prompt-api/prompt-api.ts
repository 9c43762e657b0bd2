// The browser's Prompt API over an engine: `LanguageModel.create()` and so on, where a browser has none or another
// model is wanted. The file `prompt-api.js` of the package. Sessions share one engine: session.ts.
import type { LoadOptions, RunForecast } from '../../types/index.ts'
import { domError, notSupported, readPrompt } from './messages.ts'
import { type Engine, Session } from './session.ts'
import type { Availability, CoreOptions, CreateOptions, PromptApi, PromptSession } from './types.ts'

export type {
  Availability,
  CoreOptions,
  CreateOptions,
  PromptApi,
  PromptContent,
  PromptInput,
  PromptMessage,
  PromptOptions,
  PromptSession,
  PromptTool,
} from './types.ts'

/** Where the model of a LanguageModel comes from. */
export interface PromptApiOptions {
  /** Loads the model, once for all sessions: `options => load(url, options)`. */
  load(options: Pick<LoadOptions, 'onProgress'>): Promise<Engine>
  /** What availability() is told before the model is loaded: `() => willItRun(url)`; without it, 'downloadable'. */
  forecast?(): Promise<Pick<RunForecast, 'fits' | 'downloadBytes'>>
}

const MODES = {
  'most-predictable': 0,
  predictable: 0.4,
  balanced: 0.8,
  creative: 1,
  'most-creative': 1.3,
} as const
const DEFAULTS = { temperature: 0.8, topK: 40 } as const
const LIMITS = { temperature: 2, topK: 1000 } as const

/**
 * An object to use as `LanguageModel`.
 * @throws TypeError when there is no load()
 * @example
 * const LanguageModel = promptApi({ load: options => load('/model.gguf', options) })
 * const session = await LanguageModel.create()
 * console.log(await session.prompt('Hello'))
 */
export function promptApi(options: PromptApiOptions): PromptApi {
  if (typeof Object(options).load !== 'function') {
    throw new TypeError('promptApi() needs { load }, a function that gives an engine')
  }
  let loading: Promise<Engine> | undefined
  let loaded = false
  let progress = 0
  const listeners = new Set<(loaded: number) => void>()

  const engineOf = (): Promise<Engine> => {
    loading ??= options
      .load({
        onProgress({ loadedBytes, totalBytes, phase }) {
          if (phase !== 'weights' || totalBytes === 0) return
          progress = Math.max(progress, Math.min(loadedBytes / totalBytes, 1))
          for (const tell of listeners) tell(progress)
        },
      })
      .then(
        engine => {
          loaded = true
          return engine
        },
        caught => {
          loading = undefined // the next session may try again
          progress = 0
          throw caught
        },
      )
    return loading
  }

  return {
    async availability(asked: CoreOptions = {}): Promise<Availability> {
      if (unread(asked) !== undefined) return 'unavailable'
      samplingOf(asked)
      if (loaded) return 'available'
      if (loading !== undefined) return 'downloading'
      const told = await options.forecast?.()
      if (told === undefined) return 'downloadable'
      if (!told.fits) return 'unavailable'
      return told.downloadBytes === 0 ? 'available' : 'downloadable'
    },

    async create(asked: CreateOptions = {}): Promise<PromptSession> {
      const { signal, monitor, initialPrompts = [], tools = [] } = asked
      signal?.throwIfAborted()
      const refused = unread(asked)
      if (refused !== undefined) throw notSupported(refused)
      const sampling = samplingOf(asked)
      const { messages } =
        initialPrompts.length > 0 ? readPrompt(initialPrompts, true) : { messages: [] }
      const stop = monitor === undefined ? () => undefined : watch(monitor, listeners, progress)
      try {
        const engine = await heard(engineOf(), signal)
        stop(1)
        const { contextLength: contextWindow } = await heard(engine.stats(), signal)
        return await heard(
          Session.open({ engine, contextWindow, sampling, tools }, messages),
          signal,
        )
      } catch (caught) {
        throw domError(caught, signal)
      } finally {
        stop()
      }
    },

    params: async () => ({
      defaultTopK: DEFAULTS.topK,
      maxTopK: LIMITS.topK,
      defaultTemperature: DEFAULTS.temperature,
      maxTemperature: LIMITS.temperature,
    }),
  }
}

/**
 * Puts promptApi() on the page as `LanguageModel` where the browser has none.
 * @param always  also where the browser has its own
 * @returns whether it did
 */
export function installPromptApi(options: PromptApiOptions, always = false): boolean {
  if ('LanguageModel' in globalThis && !always) return false
  const value = promptApi(options)
  Object.defineProperty(globalThis, 'LanguageModel', { value, configurable: true, writable: true })
  return true
}

/** What is expected and cannot be read or written. */
function unread({ expectedInputs = [], expectedOutputs = [] }: CoreOptions): string | undefined {
  const other = [...expectedInputs, ...expectedOutputs].find(({ type }) => type !== 'text')
  return other && `${other.type} is neither read nor written here; only text is`
}

/** @throws TypeError | RangeError as the specification has it */
function samplingOf({ samplingMode, temperature, topK }: CoreOptions) {
  if (samplingMode !== undefined) {
    if (temperature !== undefined || topK !== undefined) {
      throw new TypeError('samplingMode stands alone: give it, or temperature and topK')
    }
    if (!Object.hasOwn(MODES, samplingMode))
      throw new TypeError(`samplingMode ${samplingMode} is none`)
    return { ...DEFAULTS, temperature: MODES[samplingMode] }
  }
  const warm = temperature ?? DEFAULTS.temperature
  const most = topK ?? DEFAULTS.topK
  if (!(warm >= 0)) throw new RangeError(`temperature ${warm} is not 0 or more`)
  if (!(most >= 1)) throw new RangeError(`topK ${most} is not 1 or more`)
  return {
    temperature: Math.min(warm, LIMITS.temperature),
    topK: Math.floor(Math.min(most, LIMITS.topK)),
  }
}

/** Tells a monitor how far the load is: 0 first, 1 last. @returns what ends it, telling a last figure if given */
function watch(
  monitor: NonNullable<CreateOptions['monitor']>,
  listeners: Set<(loaded: number) => void>,
  begun: number,
): (last?: number) => void {
  const target = Object.assign(new EventTarget(), { ondownloadprogress: null as unknown })
  let told = -1
  const tell = (loaded: number): void => {
    if (loaded <= told) return
    told = loaded
    const event = new ProgressEvent('downloadprogress', {
      lengthComputable: true,
      loaded,
      total: 1,
    })
    target.dispatchEvent(event)
    const { ondownloadprogress: on } = target
    if (typeof on === 'function') on.call(target, event)
  }
  monitor(target)
  tell(0)
  if (begun > 0) tell(begun)
  listeners.add(tell)
  return last => {
    listeners.delete(tell)
    if (last !== undefined) tell(last)
  }
}

/** The engine goes on being loaded for others when one gives up waiting. */
function heard<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
    if (signal.aborted) stop()
  })
}
