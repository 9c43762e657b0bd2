// What the chat model is asked in the benchmark of speculation: calls of tools and JSON from a text, written for
// it, so that no data set is needed.
import type { Input } from '../../src/options/input.ts'
import type { ChatTool, GenerateOptions } from '../../src/types/index.ts'

interface Chats {
  readonly text: string
  readonly questions: readonly { input: Input; options: GenerateOptions }[]
}

const greedy: GenerateOptions = { temperature: 0, maxTokens: 96, reuse: false }

function tool(name: string, description: string, properties: Record<string, unknown>): ChatTool {
  const parameters = { type: 'object', properties, required: Object.keys(properties) }
  return { type: 'function', function: { name, description, parameters } }
}

const TOOLS = [
  tool('set_timer', 'Start a timer', { minutes: { type: 'integer' }, label: { type: 'string' } }),
  tool('send_message', 'Send a message', { to: { type: 'string' }, text: { type: 'string' } }),
  tool('add_event', 'Add an event to the calendar', {
    title: { type: 'string' },
    date: { type: 'string' },
    time: { type: 'string' },
  }),
]

const ASKED = [
  'Set a timer for 12 minutes for the pasta.',
  'Tell Martina that the train to Graz is twenty minutes late.',
  'Put dinner with Paul and Irene into my calendar on 2026-03-14 at 19:30.',
  'Send Jonas: the keys are under the blue flower pot.',
]

const SCHEMA = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    city: { type: 'string' },
    street: { type: 'string' },
    phone: { type: 'string' },
  },
  required: ['name', 'city', 'street', 'phone'],
  additionalProperties: false,
}

const CARDS = [
  'Katharina Lindenbauer, Obere Donaustrasse 14, Linz, telephone 0732 554 118',
  'Thomas Achleitner lives in Salzburg, Getreidegasse 31. Call him: 0662 871 209.',
  'Our new address: Miriam Hofstaetter, Mariahilfer Strasse 88, Wien. Phone 01 533 7210.',
]

const user = (content: string) => [{ role: 'user', content }] as const

export const CHATS: readonly Chats[] = [
  {
    text: 'tool calls',
    questions: ASKED.map(asked => ({
      input: { kind: 'chat', messages: user(asked), tools: TOOLS } as Input,
      options: greedy,
    })),
  },
  {
    text: 'JSON',
    questions: CARDS.map(card => ({
      input: {
        kind: 'chat',
        messages: user(`Extract name, city, street and phone as JSON.\n${card}`),
      } as Input,
      options: { ...greedy, responseFormat: { type: 'json_schema', schema: SCHEMA } },
    })),
  },
]
