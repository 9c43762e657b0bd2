// The forms in which models write tool calls, and how a template shows which one its model was trained on. One
// row a family; the reader (call-reader.ts) and the grammar (call-grammar.ts) go by these rows.

export interface CallFormat {
  readonly id: 'hermes' | 'llama3' | 'mistral' | 'qwen-xml'
  /** What begins a call anywhere in a text; empty: calls are bare JSON at the start of the answer. */
  readonly open: string
  /** What ends a block of calls, if it has one. */
  readonly close: string
  /** Control tokens that must be seen in the text, where the vocabulary has them as such. */
  readonly markers: readonly string[]
  /** The key of the arguments, as the model is used to write it. */
  readonly argumentsKey: 'arguments' | 'parameters'
  /** Ids as the family wants them: nine letters and digits, else any text. */
  readonly shortIds: boolean
}

/** `<tool_call>` with a JSON object, or a list of them (Falcon 3): Hermes, Qwen 2.5 and 3, and many others. */
export const HERMES: CallFormat = {
  id: 'hermes',
  open: '<tool_call>',
  close: '</tool_call>',
  markers: ['<tool_call>', '</tool_call>'],
  argumentsKey: 'arguments',
  shortIds: false,
}

/** `<tool_call>` with `<function=name>` and `<parameter=key>` in it: Qwen3-Coder, Nemotron. */
export const QWEN_XML: CallFormat = { ...HERMES, id: 'qwen-xml' }

/** `{"name": ..., "parameters": {...}}` alone, after `<|python_tag|>` or not: Llama 3.1 and later. */
export const LLAMA3: CallFormat = {
  id: 'llama3',
  open: '',
  close: '',
  markers: ['<|python_tag|>'],
  argumentsKey: 'parameters',
  shortIds: false,
}

/** `[TOOL_CALLS]` with a list of objects, or (v11) with `name[ARGS]{...}` for each: Mistral. */
export const MISTRAL: CallFormat = {
  id: 'mistral',
  open: '[TOOL_CALLS]',
  close: '',
  markers: ['[TOOL_CALLS]', '[CALL_ID]', '[ARGS]'],
  argumentsKey: 'arguments',
  shortIds: true,
}

/** The format that a chat template asks its model for; Hermes', which most were trained on, where it shows none. */
export function formatOf(template: string): CallFormat {
  if (template.includes('[TOOL_CALLS]')) return MISTRAL
  if (template.includes('<function=') && template.includes('<parameter=')) return QWEN_XML
  if (template.includes('<tool_call>')) return HERMES
  if (template.includes('<|python_tag|>') || /["']parameters["']\s*:/.test(template)) return LLAMA3
  return HERMES
}
