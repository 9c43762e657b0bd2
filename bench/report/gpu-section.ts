// The GPU's part of the report: what was measured on which adapter and driver, and the plan of a token with estimates
// where nothing was. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import type { GpuReport, PlanFigures, ShapeFigures } from '../gpu/report.ts'
import { gpuRows } from './gpu-rows.ts'
import { figure, table } from './markdown.ts'

/** Of the measured bandwidth, as the aim has it. */
const REACHED = 0.6

/**
 * @param reports  of docs/bench/gpu-*.json, in any order; the newest plan is told once
 * @param rows  of the bench page, of which some may have run on a GPU
 */
export function gpuSection(reports: readonly GpuReport[], rows: readonly BenchRow[] = []): string {
  const newest = [...reports].sort((a, b) => b.head.date.localeCompare(a.head.date))
  const measured = newest.filter(({ adapter }) => adapter && !adapter.software)
  const parts = ['## GPU']
  if (newest.length === 0) {
    parts.push('Not measured: `make bench-gpu` does it, on a machine with a GPU.')
    return [...parts, ...gpuRows(rows)].join('\n\n')
  }
  if (measured.length === 0) {
    const { head, why } = newest[0]!
    parts.push(
      `**No speed here was measured on a GPU**: on ${head.machine} there is none that may be measured (${why ?? 'a software adapter'}). ` +
        '`make bench-gpu` on a machine with a GPU fills this section, with adapter and driver.',
    )
  }
  for (const report of measured) parts.push(...adapterPart(report))
  parts.push(...gpuRows(rows))
  parts.push(...planPart(newest[0]!.plans))
  return parts.join('\n\n')
}

function adapterPart({ adapter, head, costs, shapes = [], rows = [], plans }: GpuReport): string[] {
  const { name, description, features, inner_loop } = adapter!
  const parts = [
    `### ${name}`,
    `Adapter and driver: ${description || name}; ${head.machine}, Node ${head.node}, npm webgpu ${head.webgpu}, commit ${head.commit}, ${head.date.slice(0, 10)}. ` +
      `Inner loop ${inner_loop}${features.length > 0 ? `, features ${features.join(', ')}` : ''}.`,
  ]
  if (costs) {
    parts.push(
      `A dispatch costs ${figure(costs.dispatch_us)} µs, a wait ${figure(costs.wait_ms)} ms, and ${figure(costs.bandwidth_gb_s)} GB/s are read and written.`,
    )
  }
  parts.push(
    table(
      [
        'shape',
        'batch 1',
        'batch 4',
        'batch 8',
        'at 2,048',
        'prefill 512',
        'aim, ms a token',
        'measured, ms',
      ],
      shapes.map(s => {
        const plan = plans.find(p => p.shape === s.shape)
        const aim =
          plan &&
          costs &&
          1.5 *
            ((plan.dispatches.once * costs.dispatch_us) / 1000 +
              plan.weight_bytes / (REACHED * 1e6 * costs.bandwidth_gb_s))
        const decode = s.decode_tok_s
        return [
          s.shape,
          ...['batch 1', 'batch 4', 'batch 8'].map(batch => figure(decode[batch])),
          figure(s.decode_2048_tok_s),
          figure(s.prefill_512_tok_s),
          figure(aim),
          figure(1000 / decode['batch 1']!),
        ]
      }),
    ),
    ...shapes.map(opsTable),
  )
  if (rows.length > 0) {
    parts.push(
      table(
        ['row', 'backend', 'decode tok/s', 'prefill tok/s', 'first token, ms'],
        rows.map(row => [
          `${row.job} ${row.value}`,
          row.backend,
          row.error ? row.error.code : figure(row.decode_tok_s),
          figure(row.prefill_tok_s),
          figure(row.ttft_ms),
        ]),
      ),
    )
  }
  return parts
}

function opsTable({ shape, ops_ms, profile }: ShapeFigures): string {
  const all = Object.entries(ops_ms).sort((a, b) => b[1] - a[1])
  const rows = all.map(([op, ms]) => [op, figure(ms)])
  return `${shape}, milliseconds of a token by shader (${profile}):\n\n${table(['shader', 'ms'], rows)}`
}

function planPart(plans: readonly PlanFigures[]): string[] {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(0)
  return [
    '### The plan of a token',
    'Recorded, not measured: dispatches of one pass and one submit a token; the bytes that a token reads. The second number of dispatches is where the linears of one token make their rounded rows themselves (form `fused` or `producer`), which is measured on each device.',
    table(
      [
        'shape',
        'dispatches a layer',
        'dispatches a token',
        'of a piece of 128',
        'weights, MB',
        'KV at 2,048, MB',
        'products, 10^9',
      ],
      plans.map(p => [
        p.shape,
        `${p.dispatches_a_layer.once}, ${p.dispatches_a_layer.fused}`,
        `${p.dispatches.once}, ${p.dispatches.fused}`,
        String(p.prefill_dispatches),
        mb(p.weight_bytes),
        mb(p.kv_bytes_2048),
        (p.macs / 1e9).toFixed(2),
      ]),
    ),
    `**Estimates**, of no machine: dispatches at their usual cost, one wait, and the bytes at ${100 * REACHED} % of a usual bandwidth.`,
    table(
      ['shape', 'GPU', 'GB/s', 'µs a dispatch', 'ms a wait', 'decode tok/s', 'at 2,048'],
      plans.flatMap(p =>
        p.roofline.map(r => [
          p.shape,
          `${r.kind} (${r.label})`,
          String(r.bandwidth_gb_s),
          String(r.dispatch_us),
          String(r.wait_ms),
          String(r.decode_tok_s),
          String(r.decode_2048_tok_s),
        ]),
      ),
    ),
  ]
}
