// Chunks as server-sent events, as OpenAI streams them: a `data:` line each, `[DONE]` at the end, an error as the
// last one. Called by engine-fetch.ts.
import { faultOf } from './http-errors.ts'

/** Leaving the stream, and the signal, end the chunks. */
export function serverSentEvents(
  chunks: AsyncGenerator<object, void, undefined>,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const event = (data: string) => encoder.encode(`data: ${data}\n\n`)
  let over = false
  let abort: () => void = () => undefined
  const end = () => {
    over = true
    signal?.removeEventListener('abort', abort)
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      abort = () => {
        end()
        void chunks.return()
        controller.error(signal!.reason)
      }
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort)
    },
    async pull(controller) {
      let data: string
      try {
        const { value, done } = await chunks.next()
        if (over) return
        if (done) end()
        data = done ? '[DONE]' : JSON.stringify(value)
      } catch (caught) {
        if (over) return
        end()
        data = JSON.stringify({ error: faultOf(caught).error })
      }
      controller.enqueue(event(data))
      if (over) controller.close()
    },
    cancel() {
      end()
      void chunks.return()
    },
  })
}
