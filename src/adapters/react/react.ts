// React 19 hooks over engines: useEngine, useSuspenseEngine, and useAnswer for what is being written. The file
// `react.js` of the package. Who shares an engine and when it is closed: engines.ts.
import { use, useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { GenerateResult } from '../../types/index.ts'
import { type EngineState, engineOf, hold, LOADING, type OpenEngine, stateOf } from './engines.ts'

export type { EngineState, OpenEngine } from './engines.ts'

type Stream = ReturnType<Ryzanstein['generate']>

/**
 * The engine of this name, loaded with the first component that asks and closed a second after the last one has
 * gone. Components with the same key share it, whatever their `open`; on a server it is loading.
 * @param key  what it is: the URL, with the options where they differ
 * @example
 * const state = useEngine(url, options => load(url, options))
 */
export function useEngine(key: string, open: OpenEngine): EngineState {
  const subscribe = useCallback((listener: () => void) => hold(key, open, listener), [key])
  return useSyncExternalStore(
    subscribe,
    () => stateOf(key),
    () => LOADING,
  )
}

/** useEngine() for a tree with Suspense around it: waits until the engine is there; what load() throws is thrown. */
export function useSuspenseEngine(key: string, open: OpenEngine): Ryzanstein {
  const engine = use(engineOf(key, open))
  useEffect(() => hold(key, open, () => undefined), [key])
  return engine
}

/** What useAnswer() gives: the text of a stream, and what starts and stops one. */
export interface Answer {
  /** What is written so far. */
  readonly text: string
  /** True until the stream has ended. */
  readonly running: boolean
  readonly result?: GenerateResult
  readonly error?: unknown
  /** Shows this stream from now on, and cancels the one before: `start(engine.chat(messages))`. */
  start(stream: Stream): void
  /** Cancels what is being written; the text stays. */
  stop(): void
}

type Written = Omit<Answer, 'start' | 'stop'>
const NOTHING: Written = { text: '', running: false }

/** The text of a stream as it comes. A component that goes cancels it. */
export function useAnswer(): Answer {
  const [written, setWritten] = useState(NOTHING)
  const current = useRef<Stream>(undefined)

  const stop = useCallback(() => {
    current.current?.cancel()
    current.current = undefined
    setWritten(({ text }) => ({ text, running: false }))
  }, [])

  const start = useCallback((stream: Stream) => {
    current.current?.cancel()
    current.current = stream
    const show = (next: (before: Written) => Written): void => {
      if (current.current === stream) setWritten(next)
    }
    const read = async (): Promise<void> => {
      for await (const chunk of stream) {
        show(({ text }) => ({ text: text + chunk.text, running: true }))
      }
      const result = await stream.result
      show(() => ({ text: result.text, running: false, result }))
    }
    setWritten({ text: '', running: true })
    read().catch(error => show(({ text }) => ({ text, running: false, error })))
  }, [])

  useEffect(
    () => () => {
      current.current?.cancel()
      current.current = undefined
    },
    [],
  )
  return { ...written, start, stop }
}
