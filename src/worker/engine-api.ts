// EngineApi over an Engine: events become messages on ports, cancels become calls. Knows no concrete
// backend; main.ts hands in how parts are opened. A test runs it over node's MessageChannel.

import { expose } from 'comlink'
import { Engine, type EngineExtras } from '../engine/engine.ts'
import type { EngineParts, LoadHooks } from '../engine/load/engine-parts.ts'
import { PageView } from '../engine/load/page-view.ts'
import type { Submitted } from '../engine/schedule/scheduler.ts'
import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import type {
  EmbedResult,
  GenerateResult,
  QueueEvent,
  RunForecast,
  ScoreResult,
  TokenChunk,
} from '../types/index.ts'
import {
  type EngineApi,
  type PortMessage,
  type ProgressMessage,
  toWireError,
  type WireLoadOptions,
  type WireSource,
} from './protocol.ts'
import { TokenMail } from './token-mail.ts'

/** Opens a model; the composition root binds the backends. */
export type OpenParts = (
  source: WireSource,
  options: WireLoadOptions,
  hooks: LoadHooks,
) => Promise<EngineParts>

/** Tells what opening would take; bound like OpenParts. */
export type Forecast = (
  source: WireSource,
  options: WireLoadOptions,
  signal: AbortSignal,
) => Promise<RunForecast>

const notBound: Forecast = async () => {
  throw new RyzError('BAD_OPTION', 'this worker tells no forecasts')
}

/** The calls of one worker, which holds one engine. */
export function createEngineApi(
  openParts: OpenParts,
  forecast: Forecast = notBound,
  grammar?: EngineExtras['grammar'],
  view = new PageView(),
): EngineApi {
  let engine: Engine | undefined
  let loading: AbortController | undefined
  let closed = false
  const mail = new TokenMail()
  const asking = new AbortController()

  const loaded = (): Engine => {
    if (engine !== undefined && !closed) return engine
    throw new RyzError('CLOSED', 'no model is loaded in this worker; call load() first')
  }

  /** How to cancel each request that runs. */
  const running = new Map<MessagePort, () => void>()
  /** The requests of each tab that shares this engine. */
  const clients = new Map<string, Set<MessagePort>>()

  /** Runs a request on its port; every way it can end is one message. */
  const serve = (port: MessagePort, start: () => Submitted): void => {
    try {
      const request = start()
      running.set(port, () => request.cancel())
      listen(port, () => request.cancel())
    } catch (caught) {
      end(port, failure(caught))
    }
  }

  const end = (port: MessagePort, message: PortMessage, moved: Transferable[] = []): void => {
    running.delete(port)
    mail.post(port)
    send(port, message, moved)
  }

  const api: EngineApi = {
    async load(source, options, port) {
      if (loading !== undefined || closed) {
        throw new RyzError('BAD_OPTION', 'this worker has its model; load another in a new one')
      }
      const abort = new AbortController()
      loading = abort
      listen(port, () => abort.abort())
      try {
        const progress: LoadHooks['progress'] = report =>
          send(port, { type: 'progress', progress: report })
        const hooks = { progress, signal: abort.signal }
        const opened = await openEngine(openParts, source, options, hooks, {
          turn: mail.turn,
          grammar,
        })
        engine = opened
        if (closed) await opened.close()
        throwIfAborted(abort.signal, 'loading')
        return opened.stats().model
      } catch (caught) {
        closed = true
        await engine?.close()
        throw asRyzError(caught, 'INTERNAL', 'loading failed')
      }
    },

    async willItRun(source, options) {
      try {
        return await forecast(source, options, asking.signal)
      } catch (caught) {
        throw asRyzError(caught, 'INTERNAL', 'the forecast failed')
      }
    },

    generate(input, { given, ...options }, port) {
      const events = {
        queue: (event: QueueEvent) => send(port, { type: 'queue', event }),
        token: (chunk: TokenChunk) => mail.add(port, chunk),
        done: (result: GenerateResult) => end(port, { type: 'done', result }),
        error: (error: RyzError) => end(port, failure(error)),
      }
      serve(port, () => loaded().generate(input, options, events, given))
    },

    score(input, options, port, resent) {
      const events = {
        scored: (result: ScoreResult) => {
          const { logprobs, likeliest, alternatives, logits } = result
          const lists = [logprobs, likeliest, alternatives, logits].filter(
            list => list !== undefined,
          )
          const buffers = lists.map(list => list.buffer as ArrayBuffer)
          end(port, { type: 'scored', result }, buffers)
        },
        error: (error: RyzError) => end(port, failure(error)),
      }
      serve(port, () => loaded().score(input, options, events, resent))
    },

    embed(inputs, options, port, resent) {
      const events = {
        queue: (event: QueueEvent) => send(port, { type: 'queue', event }),
        embedded: (result: EmbedResult) => {
          const buffers = result.embeddings.map(vector => vector.buffer as ArrayBuffer)
          end(port, { type: 'embedded', result }, buffers)
        },
        error: (error: RyzError) => end(port, failure(error)),
      }
      serve(port, () => loaded().embed(inputs, options, events, resent))
    },

    tokenize: (text, options) => loaded().tokenize(text, options),
    detokenize: (ids, options) => loaded().detokenize(ids, options),
    countTokens: input => loaded().countTokens(input),
    stats: () => loaded().stats(),
    saveSession: (input, options) => loaded().saveSession(input, options),
    restoreSession: data => loaded().restoreSession(data),
    model: () => loaded().stats().model,

    attach(client, port) {
      const ports = new Set<MessagePort>()
      clients.set(client, ports)
      const track = (own: MessagePort): MessagePort => {
        for (const old of ports) if (!running.has(old)) ports.delete(old)
        ports.add(own)
        return own
      }
      const leadersOnly = (): never => {
        throw new RyzError('BAD_OPTION', 'this engine is shared; its own tab does that')
      }
      expose(
        {
          ...api,
          generate: (input, options, own) => api.generate(input, options, track(own)),
          score: (input, options, own, resent) => api.score(input, options, track(own), resent),
          embed: (inputs, options, own, resent) => api.embed(inputs, options, track(own), resent),
          load: leadersOnly,
          willItRun: leadersOnly,
          attach: leadersOnly,
          detach: leadersOnly,
          close: async () => api.detach(client),
        } satisfies EngineApi,
        port,
      )
    },

    detach(client) {
      for (const port of clients.get(client) ?? []) running.get(port)?.()
      clients.delete(client)
    },

    page: hidden => view.set(hidden),
    ping: () => ({
      longestStepMs: engine?.longestStepMs ?? 0,
      path: engine?.path ?? { id: '', name: '' },
    }),

    async close() {
      closed = true
      loading?.abort()
      asking.abort()
      await engine?.close()
    },
  }
  return api
}

async function openEngine(
  openParts: OpenParts,
  source: WireSource,
  options: WireLoadOptions,
  hooks: LoadHooks,
  extras: EngineExtras,
): Promise<Engine> {
  const began = performance.now()
  const parts = await openParts(source, options, hooks)
  try {
    for (const { from, to, reason } of parts.fallbacks) {
      console.warn(`ryzanstein: ${to} instead of ${from}: ${reason}`)
    }
    const engine = new Engine(parts, options, { ...extras, loadMs: performance.now() - began })
    await engine.measure()
    return engine
  } catch (caught) {
    parts.close()
    throw caught
  }
}

function listen(port: MessagePort, cancel: () => void): void {
  port.onmessage = cancel // CancelMessage is the only one
}

function failure(caught: unknown): PortMessage {
  return {
    type: 'error',
    error: toWireError(asRyzError(caught, 'INTERNAL', 'the request failed')),
  }
}

/** Ports are closed by the page, after the last message has arrived. */
function send(
  port: MessagePort,
  message: PortMessage | ProgressMessage,
  transfer: Transferable[] = [],
): void {
  port.postMessage(message, transfer)
}
