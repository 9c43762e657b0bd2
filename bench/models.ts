// The model files of a benchmark: made by the synth on first use, kept under build/bench, never
// downloaded. The embedded model is part of the site.
import { createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { FileFacts } from '../demo/bench/results.ts'
import { readArguments } from '../scripts/synth/arguments.ts'
import { synthModel } from '../scripts/synth/model.ts'
import { writeModel } from '../scripts/synth/write-model.ts'

export interface BenchModel {
  /** File name in the models folder. */
  readonly file: string
  /** Arguments of `npm run synth`, without --out. */
  readonly synth: readonly string[]
}

/** Makes the file if it is not there; its facts are remembered beside it. */
export async function ensureModel(folder: string, model: BenchModel): Promise<FileFacts> {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, model.file)
  const memo = `${path}.json`
  const command = `npm run synth -- ${model.synth.join(' ')} --out ${model.file}`
  if (existsSync(path) && existsSync(memo)) {
    const facts = JSON.parse(readFileSync(memo, 'utf8')) as FileFacts
    if (facts.command === command && facts.bytes === statSync(path).size) return facts
  }
  console.log(`making ${model.file}`)
  const options = readArguments([...model.synth, '--out', path])
  const written = await writeModel(synthModel(options), options.seed, path)
  const facts: FileFacts = { name: model.file, ...written, command }
  writeFileSync(memo, JSON.stringify(facts))
  return facts
}

/** Facts of a file that was not made here. */
export async function factsOf(path: string, name: string, command: string): Promise<FileFacts> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return { name, bytes: statSync(path).size, sha256: hash.digest('hex'), command }
}
