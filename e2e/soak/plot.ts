// Speed and memory of a soak over its tokens, as one stand-alone SVG: two panels that share the x axis,
// both from 0, so that a drift looks as large as it is. Pure.
import { ceiling, escapeXml, PALETTE } from '../../demo/bench/plot.ts'
import type { SoakRun } from './judge.ts'

const WIDTH = 720
const LEFT = 64
const RIGHT = 16
const PANEL = 130
const GAP = 46
const TOP = 58

const STYLE = `
${PALETTE}
text{font:12px system-ui,sans-serif;fill:var(--muted)}.title{font-size:14px;fill:var(--ink)}
.grid{stroke:var(--rule)}polyline{fill:none;stroke-width:2}.s0{stroke:var(--s0)}.s1{stroke:var(--s1)}`

/** The plot of one run. */
export function soakSvg(
  run: Pick<SoakRun, 'model' | 'backend' | 'tokens' | 'seconds' | 'samples'>,
): string {
  const height = TOP + 2 * PANEL + GAP + 40
  const most = Math.max(1, run.tokens)
  const x = (tokens: number) => LEFT + ((WIDTH - LEFT - RIGHT) * tokens) / most
  const panel = (index: number, name: string, values: readonly number[]) => {
    const top = TOP + index * (PANEL + GAP)
    const highest = ceiling(Math.max(...values, 1))
    const y = (value: number) => top + PANEL * (1 - value / highest)
    const lines = [0, 0.5, 1].map(part => {
      const at = y(highest * part).toFixed(1)
      return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${highest * part}</text>`
    })
    const points = run.samples.map(
      (s, i) => `${x(s.tokens).toFixed(1)},${y(values[i]!).toFixed(1)}`,
    )
    return `<text x="${LEFT}" y="${top - 8}">${name}</text>${lines.join('')}<polyline class="s${index}" points="${points.join(' ')}"/>`
  }
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(part => {
    const tokens = Math.round(most * part)
    return `<text x="${x(tokens).toFixed(1)}" y="${height - 24}" text-anchor="middle">${tokens}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"><title>Soak of ${escapeXml(run.model)}</title><style>${STYLE}</style>
<text class="title" x="16" y="22">Soak: ${escapeXml(run.model)} on ${run.backend}, ${run.tokens} tokens of mixed requests in ${Math.round(run.seconds)} s</text>
${panel(0, 'tokens per second', smooth(run.samples.map(s => s.tokensPerSecond)))}
${panel(
  1,
  'memory in use, MB',
  run.samples.map(s => s.rssMb),
)}
${ticks.join('')}<text x="${WIDTH / 2}" y="${height - 8}" text-anchor="middle">tokens</text></svg>
`
}

/** Mean of five: the mix of requests makes single samples jump. */
function smooth(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - 2), i + 3)
    return near.reduce((sum, v) => sum + v, 0) / near.length
  })
}
