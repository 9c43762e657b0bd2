// ryz-chat behind the SDK in Node: its class, the calls of the worker and the engine as they are, over the WASM
// kernels on one thread; only the worker's thread is missing.
import { connect, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import type { Network } from '../../src/model/network.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { FakeWorker } from '../api/fake-worker.ts'
import { fileOf, openParts } from './open.ts'
import { wasmFactory } from './wasm.ts'

export const CHAT_MODEL = 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'

export function chatEngine(options: LoadOptions = {}): Promise<Ryzanstein> {
  const open = async () => {
    const parts = await openParts([fileOf(CHAT_MODEL)], wasmFactory('simd128', 1), options)
    const { network } = parts
    const forward: Network['forward'] = network.forward.bind(network)
    // Page and engine share a thread here, and Node delivers up to 1000 messages of one port in a row.
    network.forward = async rows => {
      const result = await forward(rows)
      await new Promise(resolve => setImmediate(resolve))
      return result
    }
    return parts
  }
  const worker = new FakeWorker({}, open, async () => grammarPart)
  return connect(worker, 'ryz-chat', options)
}
