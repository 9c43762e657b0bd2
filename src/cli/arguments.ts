// The command line: commands, their options, and what is wrong with what was typed. Used by main.ts.
import { parseArgs } from 'node:util'

export class UsageError extends Error {}

interface Flag {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What help shows for the value. */
  readonly value?: string
  readonly help: string
}

const MODEL_FLAGS = {
  threads: { type: 'string', value: 'n', help: 'threads (default: as many as cores)' },
  context: { type: 'string', value: 'n', help: 'tokens a conversation may hold' },
  kv: { type: 'string', value: 'type', help: 'f32, f16 (default), int8 or int4' },
  head: { type: 'string', value: 'type', help: 'int8 (default) or int4' },
  memory: { type: 'string', value: 'MB', help: 'memory for the model (default 4000)' },
} as const satisfies Record<string, Flag>

export const COMMANDS = {
  serve: {
    help: "answers OpenAI's /v1 requests on this machine",
    flags: {
      port: {
        type: 'string',
        short: 'p',
        value: 'n',
        help: 'port (default 8080; 0 takes a free one)',
      },
      host: {
        type: 'string',
        value: 'name',
        help: 'address to bind (default 127.0.0.1: this machine only)',
      },
      cors: {
        type: 'string',
        multiple: true,
        value: 'origin',
        help: 'a page that may ask; may be repeated; * is any',
      },
      'api-key': {
        type: 'string',
        value: 'key',
        help: 'asked for in Authorization (or RYZANSTEIN_API_KEY)',
      },
      name: { type: 'string', value: 'id', help: 'another name that requests may ask for' },
      sequences: { type: 'string', value: 'n', help: 'answers at once (default 4)' },
      queue: {
        type: 'string',
        value: 'n',
        help: 'requests that may wait (default 16); more get 429',
      },
      ...MODEL_FLAGS,
    },
  },
  chat: {
    help: 'a conversation in this terminal',
    flags: {
      system: { type: 'string', short: 's', value: 'text', help: 'system prompt' },
      temperature: { type: 'string', short: 't', value: 'x', help: 'default 0.8; 0 is greedy' },
      'max-tokens': { type: 'string', value: 'n', help: 'tokens of an answer (default 512)' },
      ...MODEL_FLAGS,
    },
  },
} as const satisfies Record<string, { help: string; flags: Record<string, Flag> }>

export type Command = keyof typeof COMMANDS

export interface Parsed {
  readonly command: Command
  readonly model: string
  readonly text: (name: string) => string | undefined
  readonly list: (name: string) => readonly string[]
  /** @throws UsageError when it is no number from least on */
  readonly number: (name: string, least?: number, most?: number) => number | undefined
}

/** @throws UsageError saying what is wrong */
export function parse(typed: readonly string[]): Parsed | 'help' | 'version' {
  const [command, ...rest] = typed
  if (command === undefined || command === 'help' || typed.includes('--help') || command === '-h') {
    return 'help'
  }
  if (command === '--version' || command === '-v') return 'version'
  if (!(command in COMMANDS)) {
    throw new UsageError(
      `there is no command ${command}; there are ${Object.keys(COMMANDS).join(', ')}`,
    )
  }
  const flags: Record<string, Flag> = COMMANDS[command as Command].flags
  const { values, positionals } = read(rest, flags)
  const [model, ...more] = positionals
  if (model === undefined) {
    throw new UsageError(
      `${command} needs a model: the path of a .gguf, its URL, or hf:owner/repo/file`,
    )
  }
  if (more.length > 0) throw new UsageError(`${command} takes one model; ${more[0]} is too much`)
  const text = (name: string) => values[name] as string | undefined
  return {
    command: command as Command,
    model,
    text,
    list: name => (values[name] as string[] | undefined) ?? [],
    number(name, least = 0, most = Number.MAX_SAFE_INTEGER) {
      const typedValue = text(name)
      if (typedValue === undefined) return undefined
      const value = Number(typedValue)
      if (typedValue.trim() !== '' && value >= least && value <= most) return value
      const range =
        most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
      throw new UsageError(`--${name} is ${typedValue}; it takes a number ${range}`)
    },
  }
}

function read(rest: readonly string[], flags: Record<string, Flag>) {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short && { short }), ...(multiple && { multiple }) },
    ]),
  )
  try {
    return parseArgs({ args: [...rest], options, allowPositionals: true, strict: true })
  } catch (caught) {
    throw new UsageError(caught instanceof Error ? caught.message : String(caught))
  }
}

/** All commands and options, for a terminal of 80 columns. */
export function helpText(): string {
  const lines = ['ryzanstein: ternary (BitNet b1.58) language models on this machine', '']
  for (const [name, { help, flags }] of Object.entries(COMMANDS)) {
    lines.push(`  ryzanstein ${name} <model> [options]`, `      ${help}`)
    for (const [flag, { short, value, help: text }] of Object.entries(
      flags as Record<string, Flag>,
    )) {
      const left = `--${flag}${value ? ` <${value}>` : ''}${short ? `, -${short}` : ''}`
      lines.push(`      ${left.padEnd(24)} ${text}`)
    }
    lines.push('')
  }
  lines.push('  <model>: the path of a .gguf file, its URL, hf:owner/repo or hf:owner/repo/file')
  return lines.join('\n')
}
