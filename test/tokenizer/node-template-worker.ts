// Runs src/tokenizer/template-worker.ts in a Node worker thread: bundles it once and gives it the two
// globals of a browser worker that it uses.
import { Worker } from 'node:worker_threads'
import { build, type Rolldown } from 'vite'
import type { TemplateWorker } from '../../src/tokenizer/chat-template.ts'

const SHIM = `
import { parentPort } from 'node:worker_threads'
globalThis.self = { postMessage: message => parentPort.postMessage(message), onmessage: null }
parentPort.on('message', data => globalThis.self.onmessage({ data }))
`

/** A function that starts such a worker, counting those that are alive. */
export async function templateWorkers(): Promise<{
  spawn: () => TemplateWorker
  alive: () => number
}> {
  const output = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      lib: {
        entry: new URL('../../src/tokenizer/template-worker.ts', import.meta.url).pathname,
        formats: ['es'],
      },
    },
  })) as Rolldown.RolldownOutput[]
  const code = SHIM + output[0].output[0].code
  const url = new URL(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`)

  let alive = 0
  const spawn = (): TemplateWorker => {
    const thread = new Worker(url, { resourceLimits: { maxOldGenerationSizeMb: 512 } })
    alive++
    thread.on('exit', () => alive--)
    const worker: TemplateWorker = {
      onmessage: null,
      onerror: null,
      postMessage: job => thread.postMessage(job),
      terminate: () => thread.terminate(),
    }
    thread.on('message', data => worker.onmessage?.({ data }))
    thread.on('error', (error: Error) => worker.onerror?.({ message: error.message }))
    return worker
  }
  return { spawn, alive: () => alive }
}
