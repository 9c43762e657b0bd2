// `npm run synth`: writes a synthetic model of a real shape as GGUF. The same seed gives the same bytes
// everywhere, and the same values in every type. Used by the benchmarks, so that they need no download.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { readArguments, type SynthArguments, USAGE } from './arguments.ts'
import { synthModel } from './model.ts'
import { writeModel } from './write-model.ts'

function argumentsOrExit(): SynthArguments {
  try {
    return readArguments(process.argv.slice(2))
  } catch (caught) {
    console.error(`${caught instanceof Error ? caught.message : caught}\n\n${USAGE}`)
    process.exit(2)
  }
}

const options = argumentsOrExit()
mkdirSync(dirname(options.out), { recursive: true })
const { bytes, sha256 } = await writeModel(synthModel(options), options.seed, options.out)
console.log(`${options.out}: ${(bytes / 1e6).toFixed(1)} MB, sha256 ${sha256}`)
