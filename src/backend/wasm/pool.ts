// Starts and ends the pool workers of one backend and notices when one dies. Forking and joining is
// C++ (kernels-cpp/pool__threads.cpp); here is only the life of the workers. Used by wasm-backend.ts.
import { RyzError } from '../../errors.ts'
import { packageUrl } from '../../package-files.ts'
import { hadStarted, startScript, whyNotStarted } from '../../start-script.ts'
import type { PoolMessage, PoolStart } from './pool-worker.ts'

/** A running worker, wherever it runs. */
export interface PoolWorker {
  start(message: PoolStart): void
  terminate(): void
}

export interface PoolListener {
  message(message: PoolMessage): void
  /** The worker failed to start, threw, or ended. */
  died(reason: string): void
}

/** Starts a worker that runs pool-worker.ts. */
export type SpawnPoolWorker = (listener: PoolListener) => PoolWorker

/** A worker of the browser. */
export const spawnBrowserWorker: SpawnPoolWorker = listener => {
  const url = packageUrl('pool-worker.js')
  const worker = startScript(url, 'ryzanstein-pool')
  worker.onmessage = (event: MessageEvent<PoolMessage>) => listener.message(event.data)
  worker.onerror = async ({ message }) => {
    if (hadStarted(url, message)) listener.died(message)
    else listener.died(`it could not start from ${url}: ${await whyNotStarted(url, message)}`)
  }
  worker.onmessageerror = () => listener.died('the kernel module could not be sent to it')
  return {
    start: message => worker.postMessage(message),
    terminate: () => worker.terminate(),
  }
}

export interface PoolOptions {
  readonly spawn: SpawnPoolWorker
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** Highest stack address of each worker; one worker per entry. */
  readonly stackTops: readonly number[]
  readonly startLimitMs: number
  /** Called once, when a worker dies after the start. */
  readonly onDeath: (error: RyzError) => void
}

/**
 * Starts all workers and waits until each has entered the kernels.
 * @returns what ends them; may be called twice
 * @throws RyzError WORKER_DIED when one does not start in time
 */
export async function startPool(options: PoolOptions): Promise<{ close(): void }> {
  const workers: PoolWorker[] = []
  let state: 'starting' | 'running' | 'over' = 'starting'
  const close = () => {
    state = 'over'
    for (const worker of workers.splice(0)) worker.terminate()
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (code: 'WORKER_DIED' | 'KERNEL_TRAP', reason: string) => {
        const error = new RyzError(code, `a pool worker ended: ${reason}; load again`)
        if (state === 'starting') reject(error)
        else if (state === 'running') options.onDeath(error)
        if (state === 'running') state = 'over'
      }
      const { startLimitMs } = options
      timer = setTimeout(
        () => fail('WORKER_DIED', `it did not start within ${startLimitMs} ms`),
        startLimitMs,
      )
      let missing = options.stackTops.length
      const listener: PoolListener = {
        message: message => {
          if ('trap' in message) fail('KERNEL_TRAP', message.trap)
          else if (--missing === 0) resolve()
        },
        died: reason => fail('WORKER_DIED', reason),
      }
      for (const stackTop of options.stackTops) {
        const worker = options.spawn(listener)
        workers.push(worker)
        worker.start({ module: options.module, memory: options.memory, stackTop })
      }
    })
  } catch (caught) {
    close()
    throw caught
  } finally {
    clearTimeout(timer)
  }
  state = 'running'
  return { close }
}
