// What rows of the bench page say of the GPU that computed them: adapter, features, what a token costs, and why it was
// taken. Speeds stand in the other sections; of a GPU in software they stand nowhere. Pure.
import { type BenchRow, type GpuFigures, isSoftware } from '../../demo/bench/results.ts'
import { figure, table } from './markdown.ts'

/** Empty where no row ran on a GPU. */
export function gpuRows(rows: readonly BenchRow[]): string[] {
  const ran = rows.filter(row => row.gpu !== undefined && !row.error)
  if (ran.length === 0) return []
  const software = ran.some(isSoftware)
    ? ' **A GPU in software computed some of them: they prove that it works, and no speed of theirs is told here.**'
    : ''
  const why = new Set(ran.flatMap(reasonsOf))
  return [
    '### The rows of the bench page on a GPU',
    `Of the last token: dispatches, and the bytes of weights and KV that it had to read; results that were waited for since the load; steps sent ahead of the one that is read.${software}`,
    table(
      ['row', 'adapter', 'features', 'dispatches', 'MB a token', 'waits', 'ahead', 'shaders'],
      ran.map(row => {
        const gpu = row.gpu!
        return [
          `${row.job ?? row.sweep} ${row.value}`,
          gpu.software ? `${gpu.adapter} (software)` : gpu.adapter,
          gpu.features.join(', ') || 'none',
          String(gpu.dispatches),
          figure(gpu.token_bytes / 1e6),
          String(gpu.waits),
          `${gpu.ahead}, a wait takes ${figure(gpu.wait_ms)} ms`,
          shadersOf(gpu),
        ]
      }),
    ),
    [...why].map(reason => `- ${reason}`).join('\n'),
  ].filter(part => part !== '')
}

function shadersOf({ form, inner_loop }: GpuFigures): string {
  return `form ${form}, inner loop ${inner_loop}`
}

/** Why this path, and these shaders: each reason once, whatever the rows. */
function reasonsOf({ choice, gpu, fallbacks }: BenchRow): string[] {
  const tuned = gpu?.tuning ? [`${shadersOf(gpu)}: ${gpu.tuning}`] : []
  return [...fallbacks, ...(choice ? [choice] : []), ...tuned]
}
