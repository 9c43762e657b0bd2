// The probes of src/features.ts, as far as Node can tell: they agree with what the engine then does.
import { afterEach, describe, expect, it, vi } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { detectFeatures, PACKAGE_VERSION } from '../src/features.ts'

afterEach(() => vi.unstubAllGlobals())

describe('detectFeatures', () => {
  it('finds SIMD, relaxed SIMD and threads in this Node', async () => {
    const found = await detectFeatures()
    expect(found).toMatchObject({ wasm: true, simd: true, relaxedSimd: true, threads: true })
    expect(found.cores).toBeGreaterThanOrEqual(1)
    expect(structuredClone(found)).toEqual(found)
  })

  it('reports no threads on a page that is not isolated', async () => {
    vi.stubGlobal('crossOriginIsolated', false)
    expect(await detectFeatures()).toMatchObject({ threads: false, simd: true })
  })

  it('reports no threads where isolation is claimed but SharedArrayBuffer is missing', async () => {
    vi.stubGlobal('crossOriginIsolated', true)
    vi.stubGlobal('SharedArrayBuffer', undefined)
    expect(await detectFeatures()).toMatchObject({ threads: false, crossOriginIsolated: true })
  })

  it('reports plain http, where crypto.subtle is missing', async () => {
    vi.stubGlobal('crypto', {})
    expect(await detectFeatures()).toMatchObject({ subtle: false })
  })

  it('reports nothing but the truth without WebAssembly', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    const none = { wasm: false, simd: false, relaxedSimd: false, threads: false }
    expect(await detectFeatures()).toMatchObject(none)
  })
})

describe('leave to compile', () => {
  const { CompileError, validate } = WebAssembly
  const refusing = (message: string) => ({
    compile: () => Promise.reject(new CompileError(message)),
    validate,
  })

  it.each([
    "WebAssembly.compile(): Refused to compile or instantiate WebAssembly module because 'unsafe-eval' is not an allowed source of script",
    'call to WebAssembly.compile() blocked by CSP',
  ])('is asked once; a policy that forbids it is named: %s', async message => {
    vi.stubGlobal('WebAssembly', refusing(message))
    const found = await detectFeatures()
    expect(found).toMatchObject({ wasm: false, simd: false, relaxedSimd: false, threads: false })
    expect(found.wasmBlocked).toContain("add 'wasm-unsafe-eval' to its script-src")
  })

  it('is not blamed on a policy when it fails otherwise', async () => {
    vi.stubGlobal('WebAssembly', refusing('out of memory'))
    expect((await detectFeatures()).wasmBlocked).toContain('out of memory')
  })
})

it('the version that caches and tabs are bound to is the one of the package', () => {
  expect(PACKAGE_VERSION).toBe(packageJson.version)
})
