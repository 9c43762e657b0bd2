// The engine worker's entry: the one place that names concrete backends. Everything else arrives
// through interfaces. Bundled as worker.js; the page talks to it through protocol.ts.
import { expose } from 'comlink'
import {
  type BackendFactory,
  EXACT,
  type Guards,
  isKernel,
  kernelPath,
  pathId,
  REFERENCE_PATH,
} from '../backend/factory.ts'
import { createReferenceBackend } from '../backend/reference/reference-backend.ts'
import { measureKernels } from '../backend/wasm/calibrate.ts'
import { kernelFile } from '../backend/wasm/kernel-file.ts'
import { createWasmBackend, scratchBytes } from '../backend/wasm/open-backend.ts'
import { crashMark } from '../cache/crash-mark.ts'
import { lossMark } from '../cache/loss-mark.ts'
import { rememberedInIndexedDb } from '../cache/remembered.ts'
import type { GrammarPart } from '../engine/grammar/part.ts'
import type { Arrange } from '../engine/load/arrange.ts'
import { calibrator, type Wanted } from '../engine/load/calibrate.ts'
import { withContest } from '../engine/load/contest.ts'
import { forecast } from '../engine/load/forecast.ts'
import { openEngineParts } from '../engine/load/open-parts.ts'
import { PageView } from '../engine/load/page-view.ts'
import { asRyzError, RyzError } from '../errors.ts'
import { detectFeatures, PACKAGE_VERSION } from '../features.ts'
import { portFetch } from '../net/port-fetch.ts'
import { STALL_MS } from '../net/retry.ts'
import { watched } from '../net/watch.ts'
import { importPart, packageUrl, usePackageUrls } from '../package-files.ts'
import type { KernelVariant, LoadOptions } from '../types/index.ts'
import { createEngineApi } from './engine-api.ts'
import { ladder, type Rung } from './ladder.ts'
import { installErrorWire, type WireLoadOptions } from './protocol.ts'

/** Of the page that this worker is of. */
const view = new PageView()
const modules = new Map<string, Promise<WebAssembly.Module>>()

/** The kernels of a rung, a few kilobytes beside this file: fetched and compiled once. */
function kernels(variant: KernelVariant, threads: number): Promise<WebAssembly.Module> {
  const url = packageUrl(kernelFile(variant, threads))
  let module = modules.get(url)
  if (module === undefined) {
    module = fetchKernels(url)
    modules.set(url, module)
    // One that failed is asked for again.
    module.catch(() => modules.delete(url))
  }
  return module
}

async function fetchKernels(url: string): Promise<WebAssembly.Module> {
  const bytes = fetchBytes(url)
  const wait = { what: `the kernels at ${url}`, ms: STALL_MS, advice: 'check the connection' }
  return WebAssembly.compile(await watched(bytes, wait))
}

async function fetchBytes(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw asRyzError(cause, 'NETWORK', `${url} could not be fetched`)
  })
  if (!response.ok) {
    throw new RyzError(
      'NETWORK',
      `${url} answered ${response.status}; serve the .wasm files of the package beside its worker.js`,
      {
        status: response.status,
      },
    )
  }
  return response.arrayBuffer()
}

/** Devices that end a tab which takes too much memory, without a word. */
const ENDS_TABS = /Android|iPhone|iPad|Mobile/

/** Whether the browser has WebGPU; a page may forbid it by a getter that throws. */
function hasGpu(): boolean {
  try {
    return Boolean(navigator.gpu)
  } catch {
    return false
  }
}

/** The factory of WebGPU backends, in a file of its own that comes when the GPU is asked for. */
async function gpuFactory(rung: Rung, options: WireLoadOptions): Promise<BackendFactory> {
  const { powerPreference, allowSoftwareAdapter, profileGpu: profile } = options
  try {
    const part = importPart('webgpu.js', () => import('../backend/webgpu/webgpu-factory.ts'))
    const wait = {
      what: `the GPU's part of the package`,
      ms: STALL_MS,
      advice: 'check the connection',
    }
    const { webGpuFactory } = await watched(part, wait)
    const name = `gpu|${PACKAGE_VERSION}|${navigator.userAgent}`
    const mark = ENDS_TABS.test(navigator.userAgent)
      ? crashMark(rememberedInIndexedDb(), name)
      : undefined
    const losses = lossMark(rememberedInIndexedDb(), navigator.userAgent)
    const choice = { powerPreference, allowSoftwareAdapter, profile, mark, losses }
    const gpu = webGpuFactory(() => navigator.gpu, choice)
    return { ...gpu, ...rung }
  } catch (caught) {
    const why = asRyzError(caught, 'NETWORK', `${packageUrl('webgpu.js')} could not be loaded`)
    return {
      traits: EXACT,
      scratchBytes: () => 0,
      create: () => Promise.reject(why),
      ...rung,
      unavailable: rung.unavailable ?? why.message,
    }
  }
}

function factoryOf(rung: Rung): BackendFactory {
  if (rung.path.backend !== 'wasm') {
    return {
      ...rung,
      traits: EXACT,
      scratchBytes: () => 0,
      create: async (memoryBytes, limits) => createReferenceBackend({ memoryBytes, limits }),
    }
  }
  const { threads, variant } = rung.path
  return {
    ...rung,
    traits: EXACT,
    scratchBytes: limits => scratchBytes(limits, threads),
    async create(memoryBytes, limits) {
      const wasm = await kernels(variant, threads)
      return createWasmBackend({ variant, threads, memoryBytes, limits, wasm })
    },
  }
}

const GUARDS: Guards = {
  reference: factoryOf({ path: REFERENCE_PATH }),
  scalar: factoryOf({ path: kernelPath('scalar', 1) }),
}

/** What runs here, best first, and how calibration puts it in order. */
async function pathsFor(options: WireLoadOptions, calibrate: Wanted) {
  if (options.files) usePackageUrls(options.files)
  const features = await detectFeatures()
  const allowed = (rung: Rung): Rung => {
    const failed = options.avoid?.find(avoided => avoided.id === pathId(rung.path))
    return failed ? { ...rung, unavailable: failed.reason } : rung
  }
  const rungs = ladder(features, options).map(allowed)
  const factories = await Promise.all(
    rungs.map(rung =>
      rung.path.backend === 'webgpu' ? gpuFactory(rung, options) : factoryOf(rung),
    ),
  )
  const best = factories.filter(isKernel).find(f => f.unavailable === undefined)
  // Fetched while the header is read.
  if (best) kernels(best.path.variant, best.path.threads)
  const calibrated = (wanted: Wanted): Arrange =>
    calibrator(
      {
        measure: async ({ variant, threads: most }, threads, { cols, headLayout }, all) => {
          const variants: KernelVariant[] =
            all && variant === 'relaxed' && (options.variant ?? 'auto') === 'auto'
              ? [variant, 'relaxed-i32']
              : [variant]
          // The build that will run, on as many threads as are measured.
          const wasm = await kernels(variant, most)
          return measureKernels({ variants, threads, cols, headLayout, wasm })
        },
        factory: (variant, threads) => factoryOf(allowed({ path: kernelPath(variant, threads) })),
        remembered: rememberedInIndexedDb(),
        machine: `${navigator.userAgent}|${features.cores}`,
      },
      wanted,
    )
  // Who names kernels wants kernels; an adapter is asked for where a GPU may matter, and nowhere else.
  const open = (options.backend ?? 'auto') === 'auto' && (options.variant ?? 'auto') === 'auto'
  const arrange = calibrated(calibrate)
  // A GPU is compared with all of the CPU.
  const compared = calibrated(calibrate ?? (hasGpu() ? 'contest' : undefined))
  const contest = (base: Arrange): Arrange =>
    withContest(base, {
      gpu: () => gpuFactory(allowed({ path: { backend: 'webgpu', adapter: '' } }), options),
      remembered: rememberedInIndexedDb(),
      watch: view.watch,
      machine: [navigator.userAgent, options.powerPreference, options.memoryBudget].join('|'),
    })
  // Of one thread: what waits in a pool spins, and would take turns with another.
  const backend = options.backend === 'webgpu' ? 'auto' : options.backend
  const one = ladder(features, { backend, variant: options.variant, threads: 1 })
  const draft = one.map(allowed).map(factoryOf)
  const forLoad = open ? contest(compared) : arrange
  return { factories, forLoad, forForecast: open ? contest(arrange) : arrange, draft }
}

/** The grammar engine, in a file of its own that comes with the first request for structured output. */
async function grammarPart(): Promise<GrammarPart> {
  const part = importPart('grammar.js', () => import('../engine/grammar/part.ts'))
  const wait = { what: 'the grammar engine', ms: STALL_MS, advice: 'check the connection' }
  return (await watched(part, wait)).grammarPart
}

/** What the page asked for, without what it adds on the way. */
function loadOptions({ files: _, avoid: __, fetchPort, ...options }: WireLoadOptions): LoadOptions {
  return fetchPort ? { ...options, fetch: portFetch(fetchPort) } : options
}

installErrorWire()
expose(
  createEngineApi(
    async (source, options, hooks) => {
      const { factories, forLoad, draft } = await pathsFor(options, options.calibrate)
      const own = loadOptions(options)
      return openEngineParts(source, own, hooks, factories, forLoad, GUARDS, draft)
    },
    async (source, options, signal) => {
      const { factories, forForecast } = await pathsFor(options, options.calibrate ?? 'speed')
      return forecast(source, loadOptions(options), signal, factories, forForecast, {
        selfTested: true,
      })
    },
    grammarPart,
    view,
  ),
)
