// make bench-gpu: bundles measure.ts, whose shaders are imported as text, and runs it in Node. What it finds goes to
// docs/bench/gpu-*.json, and from there to docs/PERFORMANCE.md. Without a GPU the file holds the plan of a token and the
// estimates, and says so. --quick proves that it works, on any adapter; its figures go to build/.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'vite'
import { writeReport } from '../report/write.ts'
import type { GpuReport } from './report.ts'

const FOLDER = 'build/bench-gpu'
const MODELS = 'build/bench/models'
const quick = process.argv.includes('--quick')

await build({
  configFile: false,
  logLevel: 'error',
  publicDir: false,
  build: {
    ssr: join(import.meta.dirname, 'measure.ts'),
    outDir: FOLDER,
    target: 'node20',
    emptyOutDir: true,
    minify: false,
  },
  ssr: { external: ['webgpu'] },
})
// Without drivers of a GPU, Dawn finds nothing; a quick run takes the software adapter of Chromium, where there is one.
const env = { ...process.env }
const chromium = '/usr/lib/chromium'
if (quick && existsSync(`${chromium}/vk_swiftshader_icd.json`)) {
  env.VK_ICD_FILENAMES ??= `${chromium}/vk_swiftshader_icd.json`
  env.LD_LIBRARY_PATH ??= chromium
}
const found = join(FOLDER, 'found.json')
const args = [join(FOLDER, 'measure.js'), found, MODELS, ...(quick ? ['--quick'] : [])]
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env })
if (status !== 0) process.exit(status ?? 1)

const report = JSON.parse(readFileSync(found, 'utf8')) as GpuReport
const name = (report.adapter?.name ?? 'estimate').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
const out = join(quick ? 'build/bench/quick' : 'docs/bench', `gpu-${name}.json`)
mkdirSync(dirname(out), { recursive: true })
renameSync(found, out)
if (report.why !== undefined) {
  console.log(`no GPU that may be measured: ${report.why}. The plan of a token and estimates:`)
  for (const { shape, dispatches, dispatches_a_layer, weight_bytes, roofline } of report.plans) {
    const rates = roofline.map(r => `${r.kind} ${r.decode_tok_s} tok/s (estimate)`).join(', ')
    const mb = (weight_bytes / 1e6).toFixed(0)
    console.log(
      `${shape}: ${dispatches.once} dispatches, ${dispatches_a_layer.once} a layer (fused ${dispatches.fused}, ${dispatches_a_layer.fused}); ${mb} MB; ${rates}`,
    )
  }
}
console.log(
  quick ? `wrote ${out}` : `wrote ${out} and ${writeReport('docs/bench', 'docs/PERFORMANCE.md')}`,
)
