// Finds out what a chat template does with system messages, tools and content parts, by rendering small chats
// and looking which marked texts come out. Called once a template, by renderer.ts.
import type { ChatMessage, ChatTool } from '../../types/index.ts'
import { type Limits, renderAtOnce, type Template, TemplateFault } from '../jinja/template.ts'
import { CONTINUED, type Text } from '../jinja/text.ts'
import type { Abilities, CallTaste, ChatRequest } from './chat-text.ts'
import { chatVariables, type NamedTokens, type Taste, USUAL_CALLS } from './variables.ts'

/** Enough for any template and a short chat; about 20 ms where a hostile one uses them up. */
const LIMITS: Limits = { steps: 50_000, chars: 200_000, output: 200_000 }

const user: ChatMessage = { role: 'user', content: 'Hello' }
const system: ChatMessage = { role: 'system', content: 'Be brief.' }
const parts: ChatMessage = { role: 'user', content: [{ type: 'text', text: 'Hello' }] }
const TOOL_NAME = 'get_current_weather'
const tools: ChatTool[] = [
  {
    type: 'function',
    function: {
      name: TOOL_NAME,
      description: 'Tells the weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string', description: 'A city' } },
        required: ['city'],
      },
    },
  },
]

const called: ChatMessage = {
  role: 'assistant',
  content: null,
  // Mistral's ids are nine letters and digits.
  tool_calls: [
    {
      id: 'call12345',
      type: 'function',
      function: { name: TOOL_NAME, arguments: { city: 'Oslo' } },
    },
  ],
}
const result: ChatMessage = {
  role: 'tool',
  content: 'Rain',
  name: TOOL_NAME,
  tool_call_id: 'call12345',
}
const CALL_TASTES: readonly CallTaste[] = [
  USUAL_CALLS,
  { arguments: 'text', none: false },
  { arguments: 'object', none: true },
  { arguments: 'text', none: true },
]

/** @param source  of the template, for names that it mentions */
export function abilitiesOf(template: Template, source: string, tokens: NamedTokens): Abilities {
  const developer = source.includes('developer')
  const render: Render = (request, taste) => {
    try {
      const variables = chatVariables(request, tokens, { developer, ...taste })
      return renderAtOnce(template, { variables }, LIMITS).s
    } catch (error) {
      if (error instanceof TemplateFault) return undefined
      throw error
    }
  }
  const content = contentTaste(render)
  const form = content === 'parts' ? 'parts' : 'text'
  const shown = (messages: ChatMessage[], known?: ChatTool[], calls?: CallTaste) =>
    render({ messages, ...(known && { tools: known }) }, { content: form, calls })
  // Some refuse a system message, others a chat without tools.
  const all = shown([system, user], tools)
  const withTools = all ?? shown([user], tools)
  const withSystem = shown([system, user]) ?? all
  return {
    developer,
    content,
    system: withSystem?.includes('Be brief.') ?? false,
    tools: withTools?.includes(TOOL_NAME) ?? false,
    calls: CALL_TASTES.find(calls => {
      const turns = [user, called, result]
      return showsCall(shown(turns, tools, calls)) || showsCall(shown(turns, undefined, calls))
    }),
  }
}

type Render = (request: ChatRequest, taste: Omit<Taste, 'developer'>) => string | undefined

function contentTaste(render: Render): Abilities['content'] {
  const asParts = render({ messages: [parts] }, { content: 'parts', calls: undefined })
  // A list that is printed as Python prints it shows the key as well as the text.
  const takesParts = asParts?.includes('Hello') && !/['"]type['"]/.test(asParts)
  if (!takesParts) return 'text'
  const asText = render({ messages: [user] }, { content: 'text', calls: undefined })
  return asText?.includes('Hello') ? 'both' : 'parts'
}

/** The call is there, and its arguments neither as Python prints a dict nor as a string within JSON. */
function showsCall(text: string | undefined): boolean {
  if (text === undefined) return false
  const call = text.slice(text.lastIndexOf('Hello'), text.lastIndexOf('Oslo'))
  return call.includes(TOOL_NAME) && !/'city'|\\"city|None|null/.test(call)
}

/** What is worth knowing before a chat is answered otherwise than it was meant. */
export function abilityNotes(abilities: Abilities): string[] {
  const notes: string[] = []
  if (!abilities.system) {
    notes.push(
      'The chat template does not print system messages: it leaves them out or refuses them',
    )
  }
  if (!abilities.tools)
    notes.push('The chat template knows no tools: it leaves them out of the prompt')
  else if (!abilities.calls) {
    notes.push('The chat template does not print earlier calls of tools, or not as calls')
  }
  return notes
}

/** Whether some of the text is the answer that is continued; and where that ends. */
export function continuedEnd(text: Text): number | undefined {
  return text.spans.findLast(span => (span.marks & CONTINUED) !== 0)?.end
}
