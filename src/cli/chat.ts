// A conversation in a terminal. Ctrl-C ends an answer, at the prompt the program. Used by main.ts.
import { createInterface } from 'node:readline/promises'
import type { ChatMessage } from '../types/index.ts'
import type { Parsed } from './arguments.ts'
import { open } from './open.ts'

const MAX_TOKENS = 512
const HELP = '/reset begins anew, /exit ends; Ctrl-C ends an answer'

export async function chat(asked: Parsed): Promise<void> {
  const temperature = asked.number('temperature', 0)
  const maxTokens = asked.number('max-tokens', 1) ?? MAX_TOKENS
  const system = asked.text('system')
  const engine = await open(asked)
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY,
  })
  const begin = (): ChatMessage[] =>
    system === undefined ? [] : [{ role: 'system', content: system }]
  let messages = begin()
  let answering: AbortController | undefined
  const leave = (): void => {
    if (answering) answering.abort()
    else lines.close()
  }
  lines.on('SIGINT', leave)
  process.on('SIGINT', leave)
  if (process.stdin.isTTY) console.log(HELP)
  lines.setPrompt(process.stdin.isTTY ? '> ' : '')
  lines.prompt()
  for await (const line of lines) {
    const typed = line.trim()
    if (typed === '/exit') break
    if (typed === '/reset') messages = begin()
    else if (typed.startsWith('/')) console.log(HELP)
    else if (typed !== '') {
      messages.push({ role: 'user', content: line })
      answering = new AbortController()
      let text = ''
      try {
        const stream = engine.chat(messages, {
          ...(temperature !== undefined && { temperature }),
          maxTokens,
          overflow: 'slide',
          signal: answering.signal,
        })
        for await (const chunk of stream) {
          process.stdout.write(chunk.text)
          text += chunk.text
        }
        const { decodeMs, tokens } = await stream.result
        if (process.stdin.isTTY && decodeMs > 0) {
          process.stdout.write(`\n[${((1000 * tokens.length) / decodeMs).toFixed(0)} tokens/s]`)
        }
      } catch (caught) {
        if (!answering.signal.aborted) console.error(`\n${(caught as Error).message}`)
      }
      answering = undefined
      process.stdout.write('\n')
      // An answer that was cut belongs to the conversation as far as it came.
      if (text === '') messages.pop()
      else messages.push({ role: 'assistant', content: text })
    }
    lines.prompt()
  }
  lines.close()
  await engine.close()
  process.exit(0)
}
