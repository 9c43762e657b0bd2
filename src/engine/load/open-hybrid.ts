// Two opened networks as one: the GPU reads prompts, the CPU writes answers. When the GPU is lost the CPU, which holds
// the weights already, goes on alone. Made by open-contested.ts; the network itself is model/hybrid-network.ts.

import { HANDOVER_BYTES, HybridNetwork } from '../../model/hybrid-network.ts'
import type { MemoryPlan } from '../../model/memory-plan.ts'
import type { FaultStats } from '../../types/index.ts'
import type { OpenBackend, OpenNetwork } from './open-network.ts'

/** Bytes of weights, KV and scratch of both, and of what is on its way between them. */
export function hybridBytes(gpu: MemoryPlan, cpuScratchBytes: number): number {
  return gpu.totalBytes + gpu.weightBytes + gpu.kvBytes + cpuScratchBytes + HANDOVER_BYTES
}

/** @param cpu  opened with the book of the GPU's cache */
export function openHybrid(gpu: OpenBackend, cpu: OpenBackend): OpenNetwork {
  const network = new HybridNetwork(gpu.network, cpu.network)
  const { path } = cpu
  if (path.backend !== 'wasm' || gpu.path.backend !== 'webgpu') {
    throw new RangeError('a hybrid is a GPU and the kernels')
  }
  const scratchBytes = gpu.plan.scratchBytes + cpu.plan.scratchBytes + HANDOVER_BYTES
  const weightBytes = 2 * gpu.plan.weightBytes
  const kvBytes = 2 * gpu.plan.kvBytes
  const totalBytes = weightBytes + kvBytes + scratchBytes
  return {
    network,
    path: { ...path, prompts: gpu.path.adapter },
    // Blocks of prompts are the GPU's.
    traits: { ...cpu.traits, ...NOT_EXACT },
    plan: { ...gpu.plan, weightBytes, kvBytes, scratchBytes, totalBytes },
    poured: { ...gpu.poured, bytes: gpu.poured.bytes + cpu.poured.bytes },
    fallbacks: gpu.fallbacks,
    ...(gpu.proven && { proven: gpu.proven }),
    gpu: gpu.gpu,
    pool: cpu.pool,
    hybrid: () => ({ prefill: 'webgpu', decode: 'wasm', ...network.handedOver }),
    faults: (gpu.faults || cpu.faults) && (() => bothFaults(gpu.faults?.(), cpu.faults?.())),
    spare: {
      open: cpu,
      leave: () => network.leaveGpu(),
    },
  }
}

const NOT_EXACT = { exact: false, immediate: false } as const

type Faults = Omit<FaultStats, 'restarts'>

function bothFaults(a: Faults = NO_FAULTS, b: Faults = NO_FAULTS): Faults {
  return {
    recomputed: a.recomputed + b.recomputed,
    ended: a.ended + b.ended,
    events: [...a.events, ...b.events],
  }
}

export const NO_FAULTS: Faults = { recomputed: 0, ended: 0, events: [] }
