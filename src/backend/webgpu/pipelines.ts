// Compute pipelines of one device: compiled ahead, all at once and without blocking the page, kept for
// every backend on that device. Explicit layouts, so that shaders with the same bindings share their bind
// groups. Called by device.ts and plan.ts.
import { BINDINGS, codeOf, type Shader, type ShaderChoice, type ShaderName } from './shaders.ts'

export interface Pipeline {
  readonly name: ShaderName
  readonly pipeline: GPUComputePipeline
  /** 'rrw': see BINDINGS. */
  readonly bindings: string
}

export class Pipelines {
  /** Compiled when they were needed first, which holds the device up; 0 when all was prepared. */
  late = 0
  readonly #device: GPUDevice
  #choice: ShaderChoice
  readonly #ready = new Map<string, Pipeline>()
  /** Compiling now, so that two who want the same wait for one. */
  readonly #pending = new Map<string, Promise<void>>()
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>()

  constructor(device: GPUDevice, choice: ShaderChoice) {
    this.#device = device
    this.#choice = choice
  }

  get choice(): ShaderChoice {
    return this.#choice
  }

  /** Other variants from now on; what was compiled for the ones before is not used again. */
  choose(choice: ShaderChoice): void {
    this.#choice = choice
    this.#ready.clear()
    this.#pending.clear()
  }

  /**
   * Compiles all of them at the same time.
   * @param onDone  called with how many are done
   * @throws GPUPipelineError of the first that fails
   */
  async prepare(shaders: readonly Shader[], onDone?: (done: number) => void): Promise<void> {
    let done = 0
    // A module that does not compile says why to the scope; the pipeline only says that it is invalid.
    this.#device.pushErrorScope('validation')
    const all = Promise.all(
      shaders.map(async shader => {
        const key = keyOf(shader)
        if (!this.#ready.has(key)) {
          let compiling = this.#pending.get(key)
          if (compiling === undefined) {
            compiling = this.#compile(shader, key)
            this.#pending.set(key, compiling)
          }
          await compiling
        }
        onDone?.(++done)
      }),
    )
    const invalid = this.#device.popErrorScope()
    const [failed, error] = await Promise.all([
      all.then(
        () => undefined,
        (cause: unknown) => cause,
      ),
      invalid.catch(() => null),
    ])
    if (error !== null) throw new Error(error.message, { cause: failed })
    if (failed !== undefined) throw failed
  }

  async #compile(shader: Shader, key: string): Promise<void> {
    const choice = this.#choice
    try {
      const pipeline = await this.#device.createComputePipelineAsync(this.#descriptor(shader))
      if (this.#choice === choice) this.#ready.set(key, this.#entry(shader, pipeline))
    } finally {
      if (this.#choice === choice) this.#pending.delete(key)
    }
  }

  get(shader: Shader): Pipeline {
    const key = keyOf(shader)
    let found = this.#ready.get(key)
    if (found === undefined) {
      this.late++
      found = this.#entry(shader, this.#device.createComputePipeline(this.#descriptor(shader)))
      this.#ready.set(key, found)
    }
    return found
  }

  groupLayout(bindings: string): GPUBindGroupLayout {
    return this.#layout(bindings).group
  }

  #entry(shader: Shader, pipeline: GPUComputePipeline): Pipeline {
    return { name: shader.name, pipeline, bindings: BINDINGS[shader.name] }
  }

  #descriptor(shader: Shader): GPUComputePipelineDescriptor {
    const { entry, text, constants } = codeOf(shader, this.#choice)
    const label = keyOf(shader)
    const module = this.#device.createShaderModule({ label, code: text })
    return {
      label,
      layout: this.#layout(BINDINGS[shader.name]).pipeline,
      compute: { module, entryPoint: entry, constants },
    }
  }

  #layout(bindings: string): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    let found = this.#layouts.get(bindings)
    if (found === undefined) {
      const types = ['uniform', ...Array.from(bindings, storageType)] as GPUBufferBindingType[]
      const group = this.#device.createBindGroupLayout({
        label: bindings,
        entries: types.map((type, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type },
        })),
      })
      const pipeline = this.#device.createPipelineLayout({
        label: bindings,
        bindGroupLayouts: [group],
      })
      found = { group, pipeline }
      this.#layouts.set(bindings, found)
    }
    return found
  }
}

function storageType(binding: string): GPUBufferBindingType {
  return binding === 'w' ? 'storage' : 'read-only-storage'
}

/** 'linear_t2 add' and the like; the label of module and pipeline, so that an error names the file. */
export function keyOf(shader: Shader): string {
  const { name, ...rest } = shader
  const words = Object.entries(rest).map(([key, value]) =>
    typeof value === 'boolean' ? (value ? key : '') : `${key} ${value}`,
  )
  return [name, ...words].filter(word => word !== '').join(' ')
}
