// What a GPU is, what a token costs there, and why it computes: in words, for every page that runs one. Pure.
import type { BackendChoice, GpuStats } from 'ryzanstein'
import { count, megabytes, milliseconds } from './wording.ts'

/** Lines about the GPU that computes, and about the choice of what computes, where there was one. */
export function gpuLines(gpu: GpuStats | undefined, choice: BackendChoice | undefined): string[] {
  const chosen = choice ? [`${CHOSEN[choice.backend]} (${choice.source}): ${choice.reason}`] : []
  return gpu === undefined ? chosen : [adapterText(gpu), workText(gpu), shadersText(gpu), ...chosen]
}

const CHOSEN: Record<BackendChoice['backend'], string> = {
  webgpu: 'The GPU computes',
  wasm: 'The CPU computes',
  hybrid: 'The GPU reads prompts and the CPU writes',
}

function adapterText(gpu: GpuStats): string {
  const words = [gpu.vendor, gpu.architecture, gpu.description].filter(word => word !== '')
  const software = gpu.software ? ', which computes on the CPU: its speed is nobody’s' : ''
  const features = gpu.features.length > 0 ? gpu.features.join(', ') : 'none'
  return `GPU: ${words.join(' ') || 'without a name'}${software}; features used: ${features}`
}

/** 'A token: 52 dispatches, 2.3 MB read; 31 results waited for, 2 steps ahead (a wait takes 1.2 ms, a token 20 ms)' */
function workText({ stepDispatches, tokenBytes, waits, drawing }: GpuStats): string {
  const ahead = drawing?.ahead ?? 0
  const times =
    drawing && drawing.tokenMs > 0
      ? ` (a wait takes ${milliseconds(drawing.waitMs)}, a token ${milliseconds(drawing.tokenMs)})`
      : ''
  return (
    `A token: ${count(stepDispatches)} dispatches, ${megabytes(tokenBytes)} read; ` +
    `${count(waits)} results waited for, ${stepsText(ahead)} ahead${times}`
  )
}

/** '1 step' or '2 steps' */
export function stepsText(steps: number): string {
  return steps === 1 ? '1 step' : `${steps} steps`
}

function shadersText({ form, innerLoop, tuning }: GpuStats): string {
  const why = tuning ? ` (${tuning.source}: ${tuning.reason})` : ''
  return `Shaders: norm and rounding ${form}, inner loop ${innerLoop}${why}`
}
