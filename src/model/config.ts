// ModelFile -> ModelConfig: reads the hyper-parameters of any supported container and architecture,
// validates them, and checks the tensors against them. Called once per load, before any weight is read.
import type { ModelFile } from '../format/model-file.ts'
import { configFromGguf } from './config-gguf.ts'
import { configFromHf } from './config-hf.ts'
import type { ModelConfig } from './model-config.ts'
import { checkTensors } from './required-tensors.ts'

export { type RequiredTensor, requiredTensors } from './required-tensors.ts'

/**
 * @throws RyzError UNSUPPORTED_ARCH | UNSUPPORTED_FEATURE | BAD_HYPERPARAMS | BAD_CONFIG |
 *   MISSING_TENSOR | SHAPE_MISMATCH
 */
export function readConfig(file: ModelFile): ModelConfig {
  const config = file.container === 'gguf' ? configFromGguf(file) : configFromHf(file)
  checkTensors(file, config)
  return config
}
