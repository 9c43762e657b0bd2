// A throw-away worker that renders one chat template and is then ended. A template comes from the
// model file, so it may be hostile: time is limited from outside (chat-template.ts ends the worker),
// memory in here, by the size of every value.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import type { TemplateAnswer, TemplateJob } from './chat-template.ts'

/** Jinja's own limit in its sandbox. */
const MAX_LIST = 100_000
const FORMATS: Record<string, Intl.DateTimeFormatOptions> = {
  Y: { year: 'numeric' },
  m: { month: '2-digit' },
  b: { month: 'short' },
  B: { month: 'long' },
  d: { day: '2-digit' },
}

type Arguments = Parameters<Interpreter['evaluate']>
type Result = ReturnType<Interpreter['evaluate']>

/** Refuses every value that grows beyond its limit. */
class BoundedInterpreter extends Interpreter {
  readonly #maxChars: number

  constructor(environment: Environment, maxChars: number) {
    super(environment)
    this.#maxChars = maxChars
  }

  override evaluate(...args: Arguments): Result {
    const result = super.evaluate(...args)
    const { value } = result
    if (typeof value === 'string' && value.length > this.#maxChars) {
      throw new Error(`a text grew beyond ${this.#maxChars} characters`)
    }
    if (Array.isArray(value) && value.length > MAX_LIST) {
      throw new Error(`a list grew beyond ${MAX_LIST} entries`)
    }
    return result
  }
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const length = Math.ceil((stop - start) / step)
  if (!(length <= MAX_LIST)) throw new Error(`range() has more than ${MAX_LIST} entries`)
  return Array.from({ length: Math.max(0, length) }, (_, i) => start + i * step)
}

/** Date parts that chat templates print. */
function strftimeNow(format: string): string {
  const now = new Date()
  return format.replace(/%([YmbBd])/g, (_, part: string) =>
    new Intl.DateTimeFormat('en', FORMATS[part]).format(now),
  )
}

function render({ template, variables, maxChars }: TemplateJob): string {
  const environment = new Environment()
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    strftime_now: strftimeNow,
    raise_exception: (message: unknown) => {
      throw new Error(String(message))
    },
    ...variables,
  }
  for (const [name, value] of Object.entries(globals)) environment.set(name, value)
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }))
  return String(new BoundedInterpreter(environment, maxChars).run(program).value)
}

self.onmessage = (event: MessageEvent<TemplateJob>) => {
  let answer: TemplateAnswer
  try {
    answer = { kind: 'text', text: render(event.data) }
  } catch (error) {
    answer = { kind: 'error', message: error instanceof Error ? error.message : String(error) }
  }
  self.postMessage(answer)
}
self.postMessage({ kind: 'ready' } satisfies TemplateAnswer)
