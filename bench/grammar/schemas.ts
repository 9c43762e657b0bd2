// Ten schemas as programs send them, each with a text that meets it. For run.ts.
import type { Json } from '../../src/engine/grammar/schema/document.ts'

const closed = (properties: Json, required: Json, more: object = {}): Json => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
  ...more,
})
const STRING: Json = { type: 'string' }

export const SCHEMAS: Readonly<Record<string, { schema: Json; text: string }>> = {
  form: {
    schema: closed(
      {
        name: { type: 'string', minLength: 1, maxLength: 60 },
        age: { type: 'integer', minimum: 0, maximum: 130 },
        email: { type: 'string', format: 'email' },
        news: { type: 'boolean' },
      },
      ['name', 'age', 'email', 'news'],
    ),
    text: '{"name": "Anna Berg", "age": 34, "email": "anna.berg@example.org", "news": false}',
  },
  'tool arguments': {
    schema: closed(
      {
        city: STRING,
        unit: { enum: ['celsius', 'fahrenheit'] },
        days: { type: 'integer', minimum: 1, maximum: 14 },
      },
      ['city'],
    ),
    text: '{"city": "Zürich", "unit": "celsius", "days": 3}',
  },
  recipe: {
    schema: closed(
      {
        name: STRING,
        serves: { type: 'integer', minimum: 1, maximum: 24 },
        ingredients: {
          type: 'array',
          minItems: 1,
          items: closed(
            {
              amount: { type: ['number', 'null'] },
              unit: { enum: ['g', 'ml', 'piece', null] },
              what: STRING,
            },
            ['amount', 'unit', 'what'],
          ),
        },
        steps: {
          type: 'array',
          items: { type: 'string', minLength: 3 },
          minItems: 1,
          maxItems: 20,
        },
      },
      ['name', 'serves', 'ingredients', 'steps'],
    ),
    text: '{"name":"Crêpes","serves":4,"ingredients":[{"amount":250,"unit":"g","what":"flour"},{"amount":null,"unit":null,"what":"salt"}],"steps":["Whisk all of it well.","Fry both sides."]}',
  },
  events: {
    schema: {
      type: 'array',
      items: closed(
        {
          at: { type: 'string', format: 'date-time' },
          id: { type: 'string', format: 'uuid' },
          kind: { enum: ['open', 'close', 'error'] },
          level: { type: 'number', minimum: 0, maximum: 1 },
        },
        ['at', 'id', 'kind', 'level'],
      ),
      maxItems: 50,
    },
    text: '[{"at":"2026-02-28T10:00:00Z","id":"123e4567-e89b-12d3-a456-426614174000","kind":"open","level":0.75},{"at":"2026-03-01T11:30:00+01:00","id":"123e4567-e89b-12d3-a456-426614174001","kind":"error","level":1}]',
  },
  tree: {
    schema: {
      $ref: '#/$defs/n',
      $defs: {
        n: closed({ label: STRING, kids: { type: 'array', items: { $ref: '#/$defs/n' } } }, [
          'label',
          'kids',
        ]),
      },
    },
    text: '{"label":"root","kids":[{"label":"left","kids":[]},{"label":"right","kids":[{"label":"leaf","kids":[]}]}]}',
  },
  'union of shapes': {
    schema: {
      oneOf: [
        closed({ type: { const: 'circle' }, r: { type: 'number', exclusiveMinimum: 0 } }, [
          'type',
          'r',
        ]),
        closed({ type: { const: 'rect' }, w: { type: 'number' }, h: { type: 'number' } }, [
          'type',
          'w',
          'h',
        ]),
        closed(
          {
            type: { const: 'path' },
            points: {
              type: 'array',
              items: { type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 2 },
            },
          },
          ['type', 'points'],
        ),
      ],
    },
    text: '{"type":"path","points":[[0,1.5],[2,3],[-4.25,10]]}',
  },
  inheritance: {
    schema: {
      allOf: [
        { $ref: '#/$defs/base' },
        { properties: { size: { type: 'integer' } }, required: ['size'] },
      ],
      unevaluatedProperties: false,
      $defs: {
        base: {
          type: 'object',
          properties: { id: { type: 'string', pattern: '^[a-z]{2}-\\d+$' }, note: STRING },
          required: ['id'],
        },
      },
    },
    text: '{"id":"ab-1234","note":"a small one","size":3}',
  },
  map: {
    schema: {
      type: 'object',
      additionalProperties: { type: 'integer' },
      propertyNames: { pattern: '^[a-z_]+$' },
      minProperties: 1,
    },
    text: '{"apples":3,"pears":4,"plums_of_the_year":12,"figs":0}',
  },
  'tags that differ': {
    schema: closed(
      {
        title: STRING,
        tags: {
          type: 'array',
          items: { type: 'string', minLength: 2, maxLength: 20 },
          uniqueItems: true,
          minItems: 1,
          maxItems: 8,
        },
      },
      ['title', 'tags'],
    ),
    text: '{"title":"On rivers","tags":["water","north sea","fish","old towns"]}',
  },
  'any object': {
    schema: { type: 'object' },
    text: '{"answer":{"text":"It is 12 degrees.","sources":["a","b"],"sure":true},"n":[1,2,3]}',
  },
}
