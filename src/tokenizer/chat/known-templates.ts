// Chat templates of published files that lack their own, or hold a wrong one. Called by from-gguf.ts and
// open-chat.ts.
import type { Tokenizer } from '../tokenizer.ts'

/** microsoft/bitnet-b1.58-2B-4T: "User: ...<|eot_id|>Assistant: ", as in its tokenizer_config.json. */
const BITNET_2B_4T =
  '{% for message in messages %}' +
  "{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}{{ message['role'] | capitalize }}: " +
  "{{ message['content'] | trim }}<|eot_id|>{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"

/** The template that a GGUF file without one is known to want; told by architecture and tokens. */
export function knownTemplate(
  architecture: unknown,
  hasToken: (text: string) => boolean,
): string | undefined {
  const bitnet = architecture === 'bitnet-b1.58' || architecture === 'bitnet-25'
  return bitnet && hasToken('<|begin_of_text|>') && hasToken('<|eot_id|>')
    ? BITNET_2B_4T
    : undefined
}

/**
 * The right template where the file's is one that is known to be wrong, and what to tell the user.
 *
 * The GGUF of microsoft/bitnet-b1.58-2B-4T has `Human: ...\n\nBITNETAssistant: `, with eos after every
 * turn and no system messages: not what the model was trained on.
 */
export function correctedTemplate(
  tokenizer: Tokenizer,
): { readonly template: string; readonly note: string } | undefined {
  if (!tokenizer.chatTemplate?.includes('BITNETAssistant')) return undefined
  const isToken = (text: string) =>
    tokenizer.encode(text, { addSpecial: false, parseSpecial: true }).length === 1
  if (!isToken('<|begin_of_text|>') || !isToken('<|eot_id|>')) return undefined
  return {
    template: BITNET_2B_4T,
    note: 'The chat template in the file (BITNETAssistant) is not the one the model was trained with; that one, from its tokenizer_config.json, is used instead',
  }
}
