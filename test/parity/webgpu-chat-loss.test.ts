// A device that is lost in the middle of chats that call a function, fill in JSON and talk, through the SDK in Node: every
// answer is whole, meets its schema, and its pieces are what the result has. On SwiftShader.
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { connect, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import type { TokenStream } from '../../src/api/token-stream.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { ChatMessage, ChatTool } from '../../src/types/index.ts'
import { FakeWorker } from '../api/fake-worker.ts'
import { CHAT_MODEL } from '../support/chat-engine.ts'
import { fileOf } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu, observed } from '../support/webgpu.ts'

const adapter = await adapterHere()
const ROWS = JSON.parse(
  readFileSync(new URL('../golden/ryz-chat/golden.json', import.meta.url), 'utf8'),
) as {
  generation: { name: string; ids: number[]; messages: ChatMessage[]; tools: ChatTool[] | null }[]
}
/** The shortest conversation with functions. */
const CALLING = ROWS.generation
  .filter(row => row.tools !== null)
  .toSorted((a, b) => a.ids.length - b.ids.length)[0]!
/** One that asks for JSON. */
const FILLING = ROWS.generation.find(row => row.name === 'json')!
const SCHEMA = {
  type: 'object',
  properties: { colour: { enum: ['red', 'green'] }, large: { type: 'boolean' } },
  required: ['colour', 'large'],
  additionalProperties: false,
} as const

let engine: Ryzanstein | undefined
afterEach(async () => {
  await engine?.close()
  engine = undefined
})

describe.skipIf(adapter === undefined)(`chats on ${adapter ?? 'no adapter'}`, () => {
  it('whose device is lost in the middle end whole: a call, JSON, and talk', async () => {
    const { gpu, devices } = observed(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const paths = [factory, wasmFactory('simd128', 1)]
    const worker = new FakeWorker(
      {},
      (_, options, hooks) => openEngineParts(fileOf(CHAT_MODEL), options, hooks, paths),
      async () => grammarPart,
    )
    engine = await connect(worker, 'ryz-chat', { contextLength: 384, maxSequences: 3 })
    expect((await engine.stats()).backend).toBe('webgpu')

    let tokens = 0
    const lose = 12
    const follow = async (stream: TokenStream) => {
      const seen = { text: '', name: '', arguments: '' }
      for await (const chunk of stream) {
        tokens += chunk.tokens.length
        if (tokens >= lose) for (const device of devices.splice(0)) device.destroy()
        seen.text += chunk.text
        for (const { function: part } of chunk.toolCalls ?? []) {
          seen.name += part.name ?? ''
          seen.arguments += part.arguments ?? ''
        }
      }
      return { seen, result: await stream.result }
    }
    const messages: ChatMessage[] = [{ role: 'user', content: 'Hello' }]
    const wish = { seed: 7, maxTokens: 80 }
    const [call, json, talk] = await Promise.all([
      follow(
        engine.chat(CALLING.messages, {
          ...{ ...wish, tools: CALLING.tools!, toolChoice: 'required', parallelToolCalls: false },
        }),
      ),
      follow(
        engine.chat(FILLING.messages, {
          ...{ temperature: 0, maxTokens: 80 },
          responseFormat: { type: 'json_schema', schema: SCHEMA },
        }),
      ),
      follow(engine.chat(messages, { temperature: 0, maxTokens: 24, ignoreEos: true })),
    ])

    expect(devices).toEqual([])
    const { backend, fallbacks, queue } = await engine.stats()
    expect({ backend, failed: queue.failed, served: queue.served }).toEqual({
      ...{ backend: 'wasm', failed: 0, served: 3 },
    })
    expect(fallbacks[0]!.reason).toContain('destroyed')

    expect(call.result.finishReason).toBe('tool_calls')
    const made = call.result.toolCalls![0]!.function
    expect(CALLING.tools!.map(tool => tool.function.name)).toContain(made.name)
    expect([call.seen.name, call.seen.arguments]).toEqual([made.name, made.arguments])
    expect(JSON.parse(made.arguments)).toBeTypeOf('object')

    expect([json.result.complete, json.result.text]).toEqual([true, expect.any(String)])
    expect(json.seen.text).toBe(json.result.text)
    const value = JSON.parse(json.result.text)
    expect(Object.keys(value).toSorted()).toEqual(['colour', 'large'])
    expect(SCHEMA.properties.colour.enum).toContain(value.colour)

    expect(talk.result.tokens).toHaveLength(24)
    expect(talk.seen.text).toBe(talk.result.text)
  }, 240_000)
})
