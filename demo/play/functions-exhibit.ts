// Functions: the model asks for calls, the page runs them and says what they gave, until there is an answer. Each
// step is drawn as it happens.
import type { ChatMessage } from 'ryzanstein'
import { byId } from '../src/dom.ts'
import { exhibit, Mistake, type Stage } from './exhibit.ts'
import { type ToolSet, toolSet } from './tool-set.ts'

const DEFINITIONS = [
  {
    name: 'get_weather',
    description: 'Get the weather of a certain location on a date',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, date: { type: 'string' } },
      required: ['city'],
    },
    returns: { temperature: '41', wind: '7', precipitation: '10' },
  },
  {
    name: 'play_song',
    description: 'Play a song',
    parameters: {
      type: 'object',
      properties: { song_name: { type: 'string' }, artist: { type: 'string' } },
      required: ['song_name'],
    },
    returns: { status: 'playing {song_name}' },
  },
]

/** A model that calls for ever is cut off here. */
const MOST_ROUNDS = 4

export function functionsExhibit(stage: Stage): void {
  const question = byId('functions-question', HTMLInputElement)
  const definitions = byId('functions-definitions', HTMLTextAreaElement)
  const choice = byId('functions-choice', HTMLSelectElement)
  definitions.value = JSON.stringify(DEFINITIONS, null, 2)

  const start = exhibit('functions', stage, async () => {
    const set = setOf(definitions.value)
    const steps = new Steps()
    steps.add('You', question.value)
    const messages: ChatMessage[] = [{ role: 'user', content: question.value }]
    for (let round = 0; round < MOST_ROUNDS; round++) {
      // Required once: then it may answer.
      const toolChoice = round === 0 && choice.value === 'required' ? 'required' : 'auto'
      const writing = steps.add('The model', '')
      const result = await stage.session.run(
        (engine, signal) =>
          engine.chat(messages, {
            ...{ tools: set.tools, toolChoice },
            ...{ temperature: 0, maxTokens: 200, signal },
          }),
        ({ text }) => writing.append(text),
      )
      if (typeof result === 'string') return 'Stopped.'
      const { text, toolCalls = [] } = result
      if (text === '') writing.remove()
      if (toolCalls.length === 0) return `Answered after ${callsText(steps.calls)}.`
      messages.push({ role: 'assistant', content: text, tool_calls: toolCalls })
      for (const call of toolCalls) {
        steps.addCall(call.function.name, call.function.arguments)
        const given = set.run(call)
        steps.add('The page runs it, and it gives', given, 'code')
        messages.push({ role: 'tool', tool_call_id: call.id, content: given })
      }
    }
    return `Stopped after ${MOST_ROUNDS} rounds of calls.`
  })

  question.addEventListener('keydown', event => {
    if (event.key === 'Enter') start()
  })
}

function setOf(text: string): ToolSet {
  try {
    return toolSet(text)
  } catch (caught) {
    throw new Mistake(caught instanceof Error ? caught.message : String(caught))
  }
}

function callsText(calls: number): string {
  if (calls === 0) return 'no call'
  return calls === 1 ? 'one call' : `${calls} calls`
}

/** The loop as a list; who does what, and what was said. */
class Steps {
  readonly #list = byId('functions-steps', HTMLOListElement)
  calls = 0

  constructor() {
    this.#list.replaceChildren()
  }

  add(who: string, text: string, kind: 'text' | 'code' = 'text') {
    const item = document.createElement('li')
    item.className = `step step-${kind}`
    const label = document.createElement('span')
    label.className = 'step-who'
    label.textContent = who
    const said = document.createElement(kind === 'code' ? 'code' : 'span')
    said.append(text)
    item.append(label, said)
    this.#list.append(item)
    return {
      append: (more: string) => said.append(more),
      remove: () => item.remove(),
    }
  }

  addCall(name: string, args: string): void {
    this.calls++
    this.add('The model calls', `${name}(${args})`, 'code')
  }
}
