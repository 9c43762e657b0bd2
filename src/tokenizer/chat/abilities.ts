// Finds out what a chat template does with system messages, tools and content parts, by rendering small chats
// and looking which marked texts come out. Called once a template, by renderer.ts.
import type { ChatMessage, ChatTool } from '../../types/index.ts'
import { type Limits, renderAtOnce, type Template, TemplateFault } from '../jinja/template.ts'
import { CONTINUED, type Text } from '../jinja/text.ts'
import type { Abilities, ChatRequest } from './chat-text.ts'
import { chatVariables, type NamedTokens, type Taste } from './variables.ts'

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

/** @param source  of the template, for names that it mentions */
export function abilitiesOf(template: Template, source: string, tokens: NamedTokens): Abilities {
  const developer = source.includes('developer')
  const render = (request: ChatRequest, taste: Taste): Text | undefined => {
    try {
      const variables = chatVariables(request, tokens, taste)
      return renderAtOnce(template, { variables }, LIMITS)
    } catch (error) {
      if (error instanceof TemplateFault) return undefined
      throw error
    }
  }
  const asText = (request: ChatRequest) => render(request, { developer, content: 'text' })
  const asParts = (request: ChatRequest) => render(request, { developer, content: 'parts' })
  const holds = (text: Text | undefined, words: string) => text?.s.includes(words) ?? false

  // A list that is printed as Python prints it shows the key as well as the text.
  const partsText = asParts({ messages: [parts] })
  const takesParts = holds(partsText, 'Hello') && !/['"]type['"]/.test(partsText!.s)
  const takesText = holds(asText({ messages: [user] }), 'Hello')
  const content = takesParts ? (takesText ? 'both' : 'parts') : 'text'
  const best = content === 'parts' ? asParts : asText
  // Some refuse a system message, others a chat without tools.
  const all = best({ messages: [system, user], tools })
  const withTools = all ?? best({ messages: [user], tools })
  const withSystem = best({ messages: [system, user] }) ?? all
  return {
    developer,
    content,
    system: holds(withSystem, 'Be brief.'),
    tools: holds(withTools, TOOL_NAME),
  }
}

/** What is worth knowing before a chat is answered otherwise than it was meant. */
export function abilityNotes({ system: knowsSystem, tools: knowsTools }: Abilities): string[] {
  const notes: string[] = []
  if (!knowsSystem) {
    notes.push(
      'The chat template does not print system messages: it leaves them out or refuses them',
    )
  }
  if (!knowsTools) notes.push('The chat template knows no tools: it leaves them out of the prompt')
  return notes
}

/** Whether some of the text is the answer that is continued; and where that ends. */
export function continuedEnd(text: Text): number | undefined {
  return text.spans.findLast(span => (span.marks & CONTINUED) !== 0)?.end
}
