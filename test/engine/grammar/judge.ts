// ajv (draft 2020-12, formats checked) as the judge of values.

import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { JsonValue, Schema } from './arbitrary-schema.ts'

/** Whether values meet the schema; undefined where ajv itself refuses the schema, or fails. */
export function judge(schema: Schema): ((value: JsonValue) => boolean | undefined) | undefined {
  // allErrors: without it ajv 8.20 lets an empty list pass `contains` beside prefixItems.
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 6, logger: false, allErrors: true })
  // Typed as a CommonJS module whose default is itself.
  ;(addFormats as unknown as (ajv: Ajv2020) => void)(ajv)
  try {
    const validate = ajv.compile(schema as object)
    // A schema that refers to itself without a value between overflows the stack here.
    for (const probe of [null, 0, '', [], {}]) validate(probe)
    return value => {
      try {
        return validate(value) as boolean
      } catch {
        return undefined
      }
    }
  } catch {
    return undefined
  }
}
