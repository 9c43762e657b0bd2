// What the chat model is asked in the benchmark of speculation: calls of tools and JSON from a text, written for
// it, so that no data set is needed. Every round asks something else, so that no answer was given before.
import type { Input } from '../../src/options/input.ts'
import type { ChatTool, GenerateOptions } from '../../src/types/index.ts'

export interface Question {
  readonly input: Input
  readonly options: GenerateOptions
}

interface Chats {
  readonly text: string
  questions(round: number): readonly Question[]
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

const texts = (...names: readonly string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map(name => [name, { type: 'string' }])),
  required: names,
  additionalProperties: false,
})

const NAMES = ['Martina', 'Thomas', 'Miriam', 'Jonas', 'Paula', 'Henry', 'Irene', 'Samuel', 'Clara']
const CITIES = ['San Diego', 'Seattle', 'Portland', 'Vienna', 'Berkeley', 'Chicago', 'Oakland']
const DAYS = ['March 5th', 'next Monday', 'the 11th', 'tomorrow', 'Sunday this week', 'June 2nd']
const FOODS = ['Italian', 'Thai', 'Mexican', 'Japanese', 'Indian']
const THINGS = ['the pasta', 'tea', 'the laundry', 'bread', 'a short nap', 'the oven', 'rice']
const NEWS = [
  'the train to Graz is twenty minutes late',
  'the keys are under the blue flower pot',
  'dinner is ready at eight',
  'the meeting was moved to the third floor',
  'the parcel is with the neighbours',
]
const EVENTS = ['dinner with Paul', 'a visit to the dentist', 'the piano lesson', 'a walk', 'chess']

const of = <T>(list: readonly T[], n: number): T => list[n % list.length]!
/** One question for each function, and one more. */
function calls(round: number): string[] {
  return [
    `Set a timer for ${5 + ((round * 7) % 50)} minutes for ${of(THINGS, round)}.`,
    `Tell ${of(NAMES, 2 * round)} that ${of(NEWS, round)}.`,
    `Put ${of(EVENTS, round)} into my calendar on ${of(DAYS, round)} at ${1 + ((round * 3) % 11)} pm.`,
    `Send ${of(NAMES, 2 * round + 5)}: ${of(NEWS, round + 2)}.`,
  ]
}

/** Texts, and what is to be taken out of them. */
function extracts(round: number): { text: string; keys: readonly string[] }[] {
  const [city, other] = [of(CITIES, round), of(CITIES, round + 3)]
  const day = of(DAYS, 2 * round + 1)
  return [
    {
      keys: ['city', 'cuisine', 'date'],
      text: `I am looking for a place to eat ${of(FOODS, round)} food in ${city} on ${day}.`,
    },
    {
      keys: ['from_city', 'to_city', 'departure_date'],
      text: `I need a bus from ${other} to ${city}. I want to leave ${day}, please.`,
    },
    {
      keys: ['name', 'city', 'time'],
      text: `This is ${of(NAMES, round)}. Book a haircut for me in ${other} at ${1 + ((round * 5) % 11)} pm.`,
    },
  ]
}

const user = (content: string) => [{ role: 'user', content }] as const

export const CHATS: readonly Chats[] = [
  {
    text: 'tool calls',
    questions: round =>
      calls(round).map(text => ({
        input: { kind: 'chat', messages: user(text), tools: TOOLS } as Input,
        options: greedy,
      })),
  },
  {
    text: 'JSON',
    questions: round =>
      extracts(round).map(({ keys, text }) => ({
        input: {
          kind: 'chat',
          messages: user(`Extract ${keys.join(', ')} as JSON.\n\n${text}`),
        } as Input,
        options: { ...greedy, responseFormat: { type: 'json_schema', schema: texts(...keys) } },
      })),
  },
]
