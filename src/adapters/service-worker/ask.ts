// One request of the service worker to one tab: what the tab sends becomes a Response; a reader that leaves, and a tab
// that goes away, are told to the other side. Called by answer.ts.
import { errorOf } from './fault.ts'
import { ANSWER, ASK, type Asked, type FromTab, hold, TAB, type ToTab, whenFree } from './wire.ts'

/**
 * Seconds that a tab has to say that it heard the request. Counted in ticks: while the worker itself stood still, what
 * the tab said waits behind the timer.
 */
const TAKE_TICKS = 10
const TICK_MS = 1000
/** What a tab said last may arrive after its lock is free. */
const LAST_WORDS_MS = 100
/** Pieces of a stream that wait in the worker for a reader. */
const PIECES = 16

/**
 * @param over  called once, when nothing more will come
 * @returns undefined where the tab went away before it began to answer
 * @throws the signal's reason
 */
export async function ask(
  tab: string,
  asked: Omit<Asked, 'id'>,
  signal: AbortSignal,
  over: () => void,
): Promise<Response | undefined> {
  const id = crypto.randomUUID()
  const release = await hold(ANSWER + id)
  const channel = new BroadcastChannel(ANSWER + id)
  const tell = (message: ToTab) => channel.postMessage(message)
  const watching = new AbortController()
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined
  let pulled: () => void = () => undefined

  return new Promise<Response | undefined>((answered, rejected) => {
    const end = () => {
      clearInterval(timer)
      watching.abort()
      signal.removeEventListener('abort', giveUp)
      channel.close()
      release()
      pulled()
      over()
    }
    /** The end of what was begun; of what was not, nothing, so that another tab is asked. */
    const leave = (message: string, code: string) => {
      end()
      if (!stream) return answered(undefined)
      const event = `data: ${JSON.stringify(errorOf(message, code))}\n\n`
      stream.enqueue(new TextEncoder().encode(event))
      stream.close()
    }
    const gone = () => leave('the tab that was answering was closed; ask again', 'tab_closed')
    const giveUp = () => {
      tell({ kind: 'cancel' })
      end()
      rejected(signal.reason)
      stream?.error(signal.reason)
    }
    const pieces = () =>
      new ReadableStream<Uint8Array>(
        {
          start: controller => {
            stream = controller
          },
          pull: () =>
            new Promise<void>(resolve => {
              pulled = resolve
              tell({ kind: 'pull' })
            }),
          cancel: () => {
            tell({ kind: 'cancel' })
            end()
          },
        },
        { highWaterMark: PIECES },
      )
    const respond = (
      body: BodyInit,
      { status, headers }: { status: number; headers: Asked['headers'] },
    ) => answered(new Response(body, { status, headers: headers.map(([k, v]) => [k, v]) }))

    channel.onmessage = ({ data }: MessageEvent<FromTab>) => {
      switch (data.kind) {
        case 'taken':
          return clearInterval(timer)
        case 'whole':
          end()
          return respond(data.body, data)
        case 'head':
          return respond(pieces(), data)
        case 'piece':
          stream?.enqueue(data.bytes)
          return pulled()
        case 'end':
          end()
          return stream?.close()
        case 'broken':
          return leave(data.message, 'internal')
        default:
          data satisfies never
      }
    }
    let ticks = 0
    const timer = setInterval(() => ++ticks === TAKE_TICKS && gone(), TICK_MS)
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp)
    whenFree(TAB + tab, watching.signal, () => {
      setTimeout(() => watching.signal.aborted || gone(), LAST_WORDS_MS)
    })
    const door = new BroadcastChannel(ASK + tab)
    door.postMessage({ ...asked, id } satisfies Asked)
    door.close()
  })
}
