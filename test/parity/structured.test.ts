// Random schemas over every keyword, and those of programs, through the chat model, greedy and sampled: whatever is
// complete parses and validates (ajv, draft 2020-12). `STRUCTURED_SCHEMAS=220 npx vitest run --project node
// test/parity/structured.test.ts` runs as many; FUZZ_SEED draws others.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SCHEMAS } from '../../bench/grammar/schemas.ts'
import type { RyzError } from '../../src/errors.ts'
import type { GenerateResult } from '../../src/types/index.ts'
import { document, type Schema } from '../engine/grammar/arbitrary-schema.ts'
import { judge } from '../engine/grammar/judge.ts'
import { chatEngine } from '../support/chat-engine.ts'

const RUNS = Number(process.env.STRUCTURED_SCHEMAS ?? 16)
const seed = Number(process.env.FUZZ_SEED ?? 5)
const SEATS = 8

/** Judged schemas only: ajv fails on some that refer to themselves without a value between. */
const random = fc.sample(document, { numRuns: 2 * RUNS, seed }).filter(given => judge(given))
const own = Object.values(SCHEMAS).map(({ schema }) => schema as Schema)
const schemas = [...own, ...random].slice(0, RUNS)

it(`${schemas.length} schemas, greedy and sampled`, { timeout: 1_200_000 }, async () => {
  const engine = await chatEngine({ maxSequences: SEATS, kv: 'int8', contextLength: 512 })
  const counts = { complete: 0, cut: 0, refused: 0 }
  const answer = async (schema: Schema, temperature: number, i: number) => {
    let result: GenerateResult
    try {
      result = await engine.chat([{ role: 'user', content: 'Answer in JSON: I am Anna, 34.' }], {
        responseFormat: { type: 'json_schema', schema },
        temperature,
        seed: i,
        maxTokens: 160,
      }).result
    } catch (caught) {
      // What cannot be met or enforced, told before the first token.
      expect((caught as RyzError).code).toBe('BAD_OPTION')
      expect((caught as RyzError).detail).toMatchObject({ option: 'responseFormat' })
      counts.refused++
      return
    }
    counts[result.complete ? 'complete' : 'cut']++
    if (!result.complete) expect(result.finishReason).toBe('length')
    else {
      const wrong = `${result.text} for ${JSON.stringify(schema)}`
      expect(judge(schema)!(JSON.parse(result.text)), wrong).toBe(true)
    }
  }
  try {
    const requests = schemas.flatMap(schema => [0, 1].map(temperature => ({ schema, temperature })))
    for (let first = 0; first < requests.length; first += SEATS) {
      const batch = requests.slice(first, first + SEATS)
      await Promise.all(batch.map((r, i) => answer(r.schema, r.temperature, first + i)))
    }
  } finally {
    await engine.close()
  }
  console.info(`${2 * schemas.length} answers: ${JSON.stringify(counts)}`)
  expect(counts.complete).toBeGreaterThan(schemas.length)
})
