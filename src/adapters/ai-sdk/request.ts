// What the AI SDK asks, in the SDK's own words: messages, options, and warnings for what has no effect here. What
// a model here cannot read is refused by name. Called by ai-sdk.ts.
import { badOption } from '../../options/rules.ts'
import type { ChatMessage, ChatOptions, ChatTool, ResponseFormat } from '../../types/index.ts'
import type { CallOptions, PromptMessage, Warning } from './types.ts'

/** providerOptions.ryzanstein: any option of chat(); see ChatOptions. */
export const PROVIDER = 'ryzanstein'

export interface ChatCall {
  readonly messages: ChatMessage[]
  readonly options: ChatOptions
  readonly warnings: Warning[]
}

/** @throws RyzError BAD_OPTION naming the part of a message that is no text */
export function readCall(call: CallOptions): ChatCall {
  const warnings: Warning[] = []
  const { tools, toolChoice } = call
  const functions = tools?.flatMap((tool): ChatTool[] => {
    if (tool.type !== 'function') {
      warnings.push({ type: 'unsupported', feature: `provider tool ${tool.name}` })
      return []
    }
    const { name, description, inputSchema, strict } = tool
    const parameters = inputSchema as Readonly<Record<string, unknown>>
    const described = { name, parameters, ...(description !== undefined && { description }) }
    return [{ type: 'function', function: { ...described, ...(strict && { strict }) } }]
  })
  const options: ChatOptions = {
    maxTokens: call.maxOutputTokens,
    temperature: call.temperature,
    topP: call.topP,
    topK: call.topK,
    presencePenalty: call.presencePenalty,
    frequencyPenalty: call.frequencyPenalty,
    stop: call.stopSequences,
    seed: call.seed,
    responseFormat: formatOf(call.responseFormat),
    signal: call.abortSignal,
    ...(functions?.length && {
      tools: functions,
      ...(toolChoice && {
        toolChoice: toolChoice.type === 'tool' ? { name: toolChoice.toolName } : toolChoice.type,
      }),
    }),
    ...reasoningOf(call.reasoning, warnings),
    ...call.providerOptions?.[PROVIDER],
  }
  return { messages: call.prompt.flatMap(messagesOf), options, warnings }
}

/** A schema is enforced whole; what cannot be enforced is refused by name. */
function formatOf(format: CallOptions['responseFormat']): ResponseFormat | undefined {
  if (format?.type !== 'json') return undefined
  const { schema } = format
  if (schema === undefined) return { type: 'json_object' }
  return { type: 'json_schema', schema: schema as Record<string, unknown> }
}

/** Templates with reasoning know no levels: it can be left out, or is the model's own. */
function reasoningOf(level: CallOptions['reasoning'], warnings: Warning[]): Partial<ChatOptions> {
  if (level === undefined || level === 'provider-default') return {}
  if (level === 'none') return { templateOptions: { enable_thinking: false } }
  const details = `${level}: the model thinks as much as it does`
  warnings.push({ type: 'unsupported', feature: 'reasoning', details })
  return {}
}

function messagesOf(message: PromptMessage, at: number): ChatMessage[] {
  const refuse = (type: string): never => {
    throw badOption(`prompt[${at}]`, type, 'of text parts; a model here reads no other')
  }
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }]
    case 'user': {
      const texts = message.content.map(part =>
        part.type === 'text' ? part.text : refuse(part.type),
      )
      return [{ role: 'user', content: texts.join('') }]
    }
    case 'assistant': {
      let content = ''
      let reasoning = ''
      const calls: NonNullable<ChatMessage['tool_calls']>[number][] = []
      for (const part of message.content) {
        if (part.type === 'text') content += part.text
        else if (part.type === 'reasoning') reasoning += part.text
        else if (part.type === 'tool-call') {
          const given = JSON.stringify(part.input ?? {})
          const called = { name: part.toolName, arguments: given }
          calls.push({ id: part.toolCallId, type: 'function', function: called })
        } else refuse(part.type)
      }
      const more = {
        ...(reasoning !== '' && { reasoning }),
        ...(calls.length > 0 && { tool_calls: calls }),
      }
      return [{ role: 'assistant', content, ...more }]
    }
    case 'tool':
      return message.content.flatMap((part): ChatMessage[] => {
        // What the user let pass or not: the result that follows says it to the model.
        if (part.type !== 'tool-result') return []
        const { toolCallId, toolName, output } = part
        const content = textOf(output, refuse)
        return [{ role: 'tool', tool_call_id: toolCallId, name: toolName, content }]
      })
    default:
      return message satisfies never
  }
}

type ToolOutput = Extract<
  Extract<PromptMessage, { role: 'tool' }>['content'][number],
  { type: 'tool-result' }
>['output']

function textOf(output: ToolOutput, refuse: (type: string) => never): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value)
    case 'execution-denied':
      return output.reason ?? 'the call was denied'
    case 'content':
      return output.value
        .map(part => (part.type === 'text' ? part.text : refuse(part.type)))
        .join('')
    default:
      return output satisfies never
  }
}
