// The peers, at pinned versions, in a folder of their own (build/peers): they are large, and only
// `make bench-peers` needs them. node-llama-cpp brings its prebuilt llama.cpp; nothing is compiled.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const WLLAMA_3 = '3.8.1'
/** The last release whose wasm has SIMD kernels for Q4_0 and Q8_0. */
export const WLLAMA_2 = '2.3.1'
export const NODE_LLAMA_CPP = '3.22.1'

const MANIFEST = `${JSON.stringify(
  {
    name: 'bench-peers',
    private: true,
    dependencies: {
      '@wllama/wllama': WLLAMA_3,
      'wllama-v2': `npm:@wllama/wllama@${WLLAMA_2}`,
      'node-llama-cpp': NODE_LLAMA_CPP,
    },
  },
  null,
  1,
)}\n`

/** @returns the node_modules folder */
export function installPeers(folder: string): string {
  const modules = join(folder, 'node_modules')
  const manifest = join(folder, 'package.json')
  const done = existsSync(manifest) && readFileSync(manifest, 'utf8') === MANIFEST
  if (!done || !existsSync(join(modules, 'node-llama-cpp/package.json'))) {
    console.log(`installing the peers into ${folder}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(manifest, MANIFEST)
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
      cwd: folder,
      stdio: 'inherit',
    })
  }
  return modules
}
