// Chat templates of published files that lack their own. Called by from-gguf.ts.

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
