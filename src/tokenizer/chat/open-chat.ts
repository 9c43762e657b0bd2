// Which chat template a loaded model gets: the caller's, else the file's, but for one that is known to be
// wrong. A template that cannot be used is told in a note, and fails when it is used: generate() needs none.
import { RyzError } from '../../errors.ts'
import type { Tokenizer } from '../tokenizer.ts'
import type { ChatRequest, Runs } from './chat-text.ts'
import { correctedTemplate } from './known-templates.ts'
import { ChatRenderer, type RenderOptions } from './renderer.ts'

/** How chats become text. */
export interface Chat {
  /** The template that is used; '' where there is none. */
  readonly source: string
  readonly notes: readonly string[]
  /** @throws RyzError TEMPLATE_ERROR | CONTEXT_FULL | ABORTED */
  render(request: ChatRequest, options?: RenderOptions): Promise<Runs>
}

/**
 * @param own  the caller's template
 * @throws RyzError TEMPLATE_ERROR when the caller's own cannot be read
 */
export function openChat(tokenizer: Tokenizer, own?: string): Chat {
  const renderer = (source: string) => new ChatRenderer(source, namesOf(tokenizer))
  if (own !== undefined) return renderer(own)
  const corrected = correctedTemplate(tokenizer)
  if (corrected) {
    const right = renderer(corrected.template)
    return withNotes(right, [corrected.note, ...right.notes])
  }
  const { chatTemplate } = tokenizer
  if (chatTemplate === undefined || chatTemplate === '') {
    return broken(
      new RyzError(
        'TEMPLATE_ERROR',
        'the model has no chat template; use generate() with a prompt, or pass one to load() as chatTemplate',
      ),
      [],
    )
  }
  try {
    return renderer(chatTemplate)
  } catch (error) {
    if (!(error instanceof RyzError)) throw error
    return broken(error, [`Its chat template cannot be used: ${error.message}`])
  }
}

function withNotes(renderer: ChatRenderer, notes: readonly string[]): Chat {
  const { source } = renderer
  return { source, notes, render: (request, options) => renderer.render(request, options) }
}

function broken(error: RyzError, notes: readonly string[]): Chat {
  return { source: '', notes, render: () => Promise.reject(error) }
}

function namesOf(tokenizer: Tokenizer): { bos: string; eos: string } {
  const [eos] = tokenizer.endTokens
  return {
    bos: tokenizer.bos === undefined ? '' : tokenizer.tokenText(tokenizer.bos),
    eos: eos === undefined ? '' : tokenizer.tokenText(eos),
  }
}
