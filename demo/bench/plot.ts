// Hand-made plots as SVG text: points with their spread over a list of categories, joined by lines or
// drawn as bars. The page and the report use the same; colours come from CSS classes, and a stand-alone
// file brings its own style for light and dark. Pure.

export interface PlotPoint {
  readonly x: string
  readonly y: number
  readonly low?: number
  readonly high?: number
}

export interface PlotSeries {
  readonly name: string
  readonly points: readonly PlotPoint[]
}

export interface Plot {
  readonly title: string
  readonly xLabel: string
  /** Unit of y; the axis starts at 0. */
  readonly yLabel: string
  readonly kind: 'line' | 'bar'
  readonly series: readonly PlotSeries[]
}

/** Small, so that text stays readable when a phone scales the plot down. */
const MIN_WIDTH = 480
const CATEGORY_WIDTH = 62
const HEIGHT = 260
const LEFT = 58
const RIGHT = 16
const TOP = 58
const BOTTOM = 46

/** Light and dark colours of a stand-alone file; the page has the same in bench.css. */
export const PALETTE = `svg{--ink:#1f1b16;--muted:#62594d;--rule:#ddd4c3;--s0:#a3301a;--s1:#2f5d73;--s2:#8a6d1f;--s3:#4f6b3a}
@media(prefers-color-scheme:dark){svg{--ink:#ece5d8;--muted:#aba08f;--rule:#38322a;--s0:#ef8a6c;--s1:#8fbdd3;--s2:#d9b95c;--s3:#a3c486}}`
const STYLE = `
${PALETTE}
text{font:12px system-ui,sans-serif;fill:var(--muted)}.plot-title{font-size:14px;fill:var(--ink)}.plot-value{fill:var(--ink);font-size:11px}
.plot-grid{stroke:var(--rule)}.plot-axis{stroke:var(--muted)}
.plot-line{fill:none;stroke-width:2}.plot-spread{stroke-width:1.5;opacity:.55}
${[0, 1, 2, 3].map(i => `.s${i} .plot-line,.s${i} .plot-spread{stroke:var(--s${i})}.s${i} .plot-dot,.s${i} .plot-bar{fill:var(--s${i})}`).join('\n')}
`

/** @param standAlone with a style of its own and a namespace, for a file */
export function plotSvg(plot: Plot, standAlone = false): string {
  const xs = categories(plot)
  const width = Math.max(MIN_WIDTH, LEFT + RIGHT + xs.length * CATEGORY_WIDTH)
  const top = ceiling(Math.max(0, ...plot.series.flatMap(s => s.points.map(p => p.high ?? p.y))))
  const step = (width - LEFT - RIGHT) / Math.max(1, xs.length)
  const x = (category: string) => LEFT + step * (xs.indexOf(category) + 0.5)
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)
  const body = [
    text(LEFT - 42, 22, plot.title, 'plot-title'),
    ...grid(top, width, y),
    text(LEFT - 42, 40, plot.yLabel),
    ...xs.map(c => text(x(c), HEIGHT - BOTTOM + 18, c, '', 'middle')),
    text(LEFT + (width - LEFT - RIGHT) / 2, HEIGHT - 8, plot.xLabel, '', 'middle'),
    ...legend(plot, width),
    ...plot.series.map((series, i) => {
      const marks = plot.kind === 'bar' ? bars(plot, i, step, x, y) : line(series, x, y)
      return `<g class="s${i % 4}">${marks.join('')}</g>`
    }),
  ]
  const head = standAlone ? ` xmlns="http://www.w3.org/2000/svg"` : ''
  const wide = width > MIN_WIDTH ? ' plot-wide' : ''
  return `<svg${head} class="plot${wide}" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${escapeXml(plot.title)}">${standAlone ? `<style>${STYLE}</style>` : ''}${body.join('')}</svg>\n`
}

/** Every x that some series has, in order of first appearance. */
function categories(plot: Plot): string[] {
  return [...new Set(plot.series.flatMap(s => s.points.map(p => p.x)))]
}

/** The next of 1, 2, 3, 4, 5, 6, 8 times a power of ten. */
export function ceiling(value: number): number {
  if (!(value > 0)) return 1
  const unit = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 2, 3, 4, 5, 6, 8, 10].find(f => f * unit >= value * 1.02) ?? 12
  return factor * unit
}

function grid(top: number, width: number, y: (value: number) => number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap(share => {
    const at = y(top * share).toFixed(1)
    const cls = share === 0 ? 'plot-axis' : 'plot-grid'
    return [
      `<line class="${cls}" x1="${LEFT}" x2="${width - RIGHT}" y1="${at}" y2="${at}"/>`,
      text(LEFT - 8, Number(at) + 4, tick(top * share), '', 'end'),
    ]
  })
}

function tick(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function legend(plot: Plot, plotWidth: number): string[] {
  if (plot.series.length < 2) return []
  let right = plotWidth - RIGHT
  return [...plot.series.keys()].reverse().map(i => {
    const { name } = plot.series[i]
    const width = name.length * 7.5 + 24
    right -= width
    return `<g class="s${i % 4}"><rect class="plot-bar" x="${right}" y="31" width="9" height="9" rx="2"/>${text(right + 14, 40, name)}</g>`
  })
}

type Place = (category: string) => number
type Height = (value: number) => number

function line({ points }: PlotSeries, x: Place, y: Height): string[] {
  const at = points.map(p => `${x(p.x).toFixed(1)},${y(p.y).toFixed(1)}`)
  return [
    `<polyline class="plot-line" points="${at.join(' ')}"/>`,
    ...points.flatMap(p => [
      whisker(p, x(p.x), y),
      `<circle class="plot-dot" cx="${x(p.x).toFixed(1)}" cy="${y(p.y).toFixed(1)}" r="4"/>`,
      text(x(p.x), y(p.high ?? p.y) - 9, tick(p.y), 'plot-value', 'middle'),
    ]),
  ]
}

function bars(plot: Plot, index: number, step: number, x: Place, y: Height): string[] {
  const width = Math.min(56, (step * 0.72) / plot.series.length)
  return plot.series[index].points.flatMap(p => {
    const left = x(p.x) + width * (index - plot.series.length / 2)
    const height = Math.max(0, y(0) - y(p.y))
    return [
      `<rect class="plot-bar" x="${(left + 1).toFixed(1)}" y="${y(p.y).toFixed(1)}" width="${(width - 2).toFixed(1)}" height="${height.toFixed(1)}" rx="2"/>`,
      whisker(p, left + width / 2, y),
      text(left + width / 2, y(p.high ?? p.y) - 6, tick(p.y), 'plot-value', 'middle'),
    ]
  })
}

function whisker({ low, high }: PlotPoint, at: number, y: Height): string {
  if (low === undefined || high === undefined || low === high) return ''
  const x = at.toFixed(1)
  return `<line class="plot-spread" x1="${x}" x2="${x}" y1="${y(low).toFixed(1)}" y2="${y(high).toFixed(1)}"/>`
}

function text(x: number, y: number, content: string, cls = '', anchor = ''): string {
  const extra = `${cls && ` class="${cls}"`}${anchor && ` text-anchor="${anchor}"`}`
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${extra}>${escapeXml(content)}</text>`
}

export function escapeXml(content: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return content.replace(/[&<>"]/g, char => names[char])
}
