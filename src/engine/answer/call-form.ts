// How a family of models writes calls, for the grammar that makes it write them: the rows of formats.ts as pieces of
// text and tokens. Called by plan.ts.
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { CallForm, GuideForm } from '../grammar/calls.ts'
import type { Piece } from '../grammar/rules/pieces.ts'
import type { CallFormat } from './formats.ts'

/** The token that a tag is; undefined where it is several, or plain text. */
export function tagToken(tag: string, tokenizer: Tokenizer): number | undefined {
  const ids = tokenizer.encode(tag, { addSpecial: false, parseSpecial: true })
  return ids.length === 1 && !tokenizer.isText(ids[0]!) ? ids[0] : undefined
}

/** A tag as a grammar writes it. */
export function tagPiece(tag: string, tokenizer: Tokenizer): Piece {
  const token = tagToken(tag, tokenizer)
  return token === undefined ? tag : { token }
}

/**
 * The form in which a model writes calls by itself, where it is another than it is held to.
 * @param template  of its chats
 */
export function guideForm(
  format: CallFormat,
  tokenizer: Tokenizer,
  template: string,
): CallForm | GuideForm {
  if (format.id === 'qwen-xml') {
    const [open, close] = [tagPiece(format.open, tokenizer), tagPiece(format.close, tokenizer)]
    return {
      open: [],
      call: [[open, '\n<function='], '>\n', ['</function>\n', close]],
      between: ['\n'],
      close: [],
      bareName: true,
      parameters: ['<parameter=', '>\n', '</parameter>\n'],
    }
  }
  if (format.id === 'mistral' && template.includes('[ARGS]')) {
    const [open, args] = [tagPiece(format.open, tokenizer), tagPiece('[ARGS]', tokenizer)]
    return { open: [], call: [[open], [args], []], between: [], close: [], bareName: true }
  }
  return callForm(format, tokenizer)
}

export function callForm(format: CallFormat, tokenizer: Tokenizer): CallForm {
  const args = `, "${format.argumentsKey}": `
  const open = format.open === '' ? [] : [tagPiece(format.open, tokenizer)]
  switch (format.id) {
    case 'hermes':
    case 'qwen-xml': // which reads this form too
      return {
        open: [],
        call: [[...open, '\n{"name": '], args, ['}\n', tagPiece(format.close, tokenizer)]],
        between: ['\n'],
        close: [],
      }
    case 'mistral':
      return {
        open: [...open, ' ['],
        call: [['{"name": '], args, ['}']],
        between: [', '],
        close: [']'],
      }
    case 'llama3':
      return { open: [], call: [['{"name": '], args, ['}']], between: ['; '], close: [] }
    default:
      return format.id satisfies never
  }
}
