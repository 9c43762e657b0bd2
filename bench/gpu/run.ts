// make bench-gpu: bundles measure.ts, whose shaders are imported as text, and runs it in Node. On a machine
// with a GPU the rows go to docs/bench/gpu-<platform>.json; without one it says so and what is estimated.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from 'vite'

const FOLDER = 'build/bench-gpu'

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
const out = `docs/bench/gpu-${process.platform}-${process.arch}.json`
const { status } = spawnSync(process.execPath, [join(FOLDER, 'measure.js'), out], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
