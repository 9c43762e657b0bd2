// Repairs of steps of mixtures of experts: whatever op gave a number that is not finite, the step is computed
// again with the bits of a healthy one. The rest of repairs is in guard.test.ts.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Backend, ExpertOps } from '../../../src/backend/backend.ts'
import type { BackendFactory, Guards } from '../../../src/backend/factory.ts'
import { Engine } from '../../../src/engine/engine.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { CASES, caseFiles } from '../../golden/load.ts'
import { referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { run } from '../driver.ts'
import { broken } from './broken.ts'

const GUARDS: Guards = { reference: referenceFactory, scalar: wasmFactory('scalar', 1) }
const GREEDY = { temperature: 0, maxTokens: 5 }
const PROMPT = Array.from({ length: 11 }, (_, i) => 3 + 19 * i)

const engines: Engine[] = []
beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => undefined))
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
})

async function open(name: string, factory: BackendFactory): Promise<Engine> {
  const [file] = caseFiles(CASES.find(c => c.name === name)!)
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const parts = await openEngineParts(file!, {}, hooks, [factory], undefined, GUARDS)
  const engine = new Engine(parts)
  engines.push(engine)
  return engine
}

type Op = Exclude<keyof ExpertOps, 'createRouter' | 'stackExperts' | 'use'>

/** An op of mixtures that spoils the first value of its result while the switch is on. */
function spoiled(op: Op, fault: { on: boolean; calls: number }): BackendFactory {
  return broken(wasmFactory('simd128', 2), real => {
    const ops = real.experts!
    const spoil = (...args: Parameters<typeof ops.bias>) => {
      ;(ops[op] as (...operands: unknown[]) => void)(...args)
      if (!fault.on) return
      fault.calls++
      // Of a route, the weight.
      const bytes = new Uint8Array(Float32Array.of(Number.NaN).buffer)
      real.writer(args[0]).write(op === 'route' ? 8 : 0, bytes)
    }
    const experts = new Proxy(ops, {
      get(target, key) {
        if (key === op) return spoil
        const value = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    return { experts } as Partial<Backend>
  })
}

it.each([
  ['mix', 'moe-mixtral'],
  ['route', 'moe-mixtral'],
  ['routedLinear', 'moe-sigmoid'],
  ['routedLinear', 'moe-qwen3'],
  ['mix', 'moe-qwen2'],
  ['mix', 'moe-olmoe'],
] as const)('after %s of %s gave NaN, the text is the same', async (op, name) => {
  const healthy = await run(await open(name, wasmFactory('relaxed', 1)), PROMPT, GREEDY).ended
  const fault = { on: false, calls: 0 }
  const engine = await open(name, spoiled(op, fault))
  fault.on = true
  const repaired = await run(engine, PROMPT, GREEDY).ended
  expect(repaired.result?.tokens).toEqual(healthy.result!.tokens)
  expect(fault.calls).toBeGreaterThan(0)
  // Steps of the prompt, and one for each token but the last.
  const { recomputed, ended, events } = engine.stats().faults
  expect([recomputed >= 5, ended]).toEqual([true, 0])
  expect(events).toEqual([{ op: 'a step', by: 'scalar', count: recomputed }])
})
