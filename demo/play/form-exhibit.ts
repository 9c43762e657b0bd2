// Structured output: a text, a schema that the visitor edits, and the object that fills in while it is written.
import { type JsonSchema, partialJson } from 'ryzanstein'
import { byId } from '../src/dom.ts'
import { count } from '../src/wording.ts'
import { exhibit, Mistake, type Stage } from './exhibit.ts'
import { drawValue } from './value-tree.ts'

const NAME = { type: 'string', pattern: "^\\p{Lu}[\\p{L} '-]{1,20}$" }
const SCHEMA = {
  type: 'object',
  properties: {
    name: NAME,
    age: { type: 'integer', minimum: 0, maximum: 130 },
    city: NAME,
    likes: {
      type: 'array',
      items: { enum: ['music', 'books', 'sports', 'cooking', 'films'] },
      uniqueItems: true,
      minItems: 1,
      maxItems: 2,
    },
    pet: { enum: ['cat', 'dog', 'none'] },
  },
  required: ['name', 'age', 'city', 'likes', 'pet'],
  additionalProperties: false,
}
const TEXT = 'I am Anna, 34 years old, from Oslo. I like music and books, and I have a cat.'
const MOST_TOKENS = 300

export function formExhibit(stage: Stage): void {
  const text = byId('form-text', HTMLTextAreaElement)
  const schema = byId('form-schema', HTMLTextAreaElement)
  const tree = byId('form-tree', HTMLElement)
  const raw = byId('form-raw', HTMLElement)
  text.value = TEXT
  schema.value = JSON.stringify(SCHEMA, null, 2)

  exhibit('form', stage, async () => {
    const wanted = schemaOf(schema.value)
    const content = `${taskOf(wanted)}\n\n${text.value.trim()}`
    let json = ''
    tree.replaceChildren()
    raw.textContent = ''
    tree.setAttribute('aria-busy', 'true')
    const result = await stage.session
      .run(
        (engine, signal) =>
          engine.chat([{ role: 'user', content }], {
            responseFormat: { type: 'json_schema', schema: wanted },
            ...{ temperature: 0, maxTokens: MOST_TOKENS, signal },
          }),
        chunk => {
          json += chunk.text
          raw.textContent = json
          tree.replaceChildren(drawValue(partialJson(json)))
        },
      )
      .finally(() => tree.setAttribute('aria-busy', 'false'))
    if (typeof result === 'string') return 'Stopped: the object is not whole.'
    const rate = (result.tokens.length - 1) / (result.decodeMs / 1000)
    const speed = rate > 0 && Number.isFinite(rate) ? `, ${count(rate)} a second` : ''
    const size = `${count(result.tokens.length)} tokens${speed}.`
    return result.complete
      ? `Whole, and it meets the schema: ${size}`
      : `Cut at ${MOST_TOKENS} tokens, so it is not whole: ${size}`
  })
}

/** What the model is told to do: the schema itself it never sees, it only cannot leave it. */
function taskOf(schema: JsonSchema): string {
  const keys = Object.keys(Object(Object(schema).properties))
  const named = keys.length > 0 ? ` with the keys ${keys.join(', ')}` : ''
  return `Read the text and reply in JSON${named}.`
}

function schemaOf(text: string): JsonSchema {
  try {
    return JSON.parse(text)
  } catch (caught) {
    throw new Mistake(`the schema is no JSON: ${caught instanceof Error ? caught.message : caught}`)
  }
}
