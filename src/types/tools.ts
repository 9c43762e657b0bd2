// Tool calls as answers hold them, in OpenAI's shape. Part of the public types, see index.ts.

/** A call that the model made. As an entry of `tool_calls` it goes back into the chat as it is. */
export interface MadeToolCall {
  id: string
  type: 'function'
  function: {
    name: string
    /** JSON text of an object, as the model wrote it: numbers beyond 2^53 and the order of keys are kept. */
    arguments: string
  }
}

/** A call in a stream: told once, when all of it has come and it is one. */
export interface ToolCallDelta extends MadeToolCall {
  /** Of the call in the answer. */
  index: number
}
