// Runs in the browser: one sample of wllama, of the version and with the settings in the query string.
// Loads the model, warms up, times a prompt, and greedy tokens from an empty context; posts the rates.
// The first version takes texts and reports llama.cpp's own timings; the second takes token ids.
const query = new URLSearchParams(location.search)
const number = name => Number(query.get(name))
const threads = number('threads')
const prompt = number('prompt')
const newTokens = number('generate')
const nContext = Math.max(256, prompt + newTokens + 8)
const QUIET = { debug() {}, log() {}, warn: console.warn, error: console.error }

/** Two-letter words: one token each in the synthetic vocabularies, and one more for BOS. */
function words(count) {
  const letter = n => String.fromCharCode(97 + (n % 26))
  const list = Array.from({ length: count }, (_, i) => letter(i * 7) + letter(i * 11 + 3))
  return list.join(' ')
}

async function sampleWithText(model) {
  const { Wllama } = await import('/wllama.js')
  const wllama = new Wllama(
    { default: `${location.origin}/wllama.wasm` },
    { logger: QUIET, suppressNativeLog: true },
  )
  wllama.setCompat(null)
  await wllama.loadModel([model], {
    n_threads: threads,
    n_ctx: nContext,
    n_gpu_layers: 0,
    n_parallel: 1,
    warmup: true,
  })
  const complete = async (text, count) => {
    let timings
    await wllama.createCompletion({
      prompt: text,
      max_tokens: count,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
      cache_prompt: false,
      stream: true,
      onData(chunk) {
        timings = chunk.timings ?? timings
      },
    })
    return timings
  }
  await complete(words(8), 4)
  const long = await complete(words(prompt - 1), 1)
  const t = await complete(words(3), newTokens)
  return {
    prefill_short_tok_s: (long.prompt_n * 1000) / long.prompt_ms,
    // The first token comes out of the prompt's pass.
    decode_tok_s: ((t.predicted_n - 1) * 1000) / t.predicted_ms,
    multithread: wllama.isMultithread(),
  }
}

async function sampleWithTokens(model) {
  const { Wllama } = await import('/wllama.js')
  const at = path => `${location.origin}/${path}/wllama.wasm`
  const wllama = new Wllama(
    { 'single-thread/wllama.wasm': at('single'), 'multi-thread/wllama.wasm': at('multi') },
    { logger: QUIET, suppressNativeLog: true },
  )
  await wllama.loadModel([model], { n_threads: threads, n_ctx: nContext, n_batch: 512 })
  await wllama.samplingInit({ temp: 0 })
  const ids = count => Array.from({ length: count }, (_, i) => 300 + ((i * 37) % 600))
  const decode = async count => {
    for (let i = 0; i < count; i++) {
      const { token } = await wllama.samplingSample()
      await wllama.samplingAccept([token])
      await wllama.decode([token], {})
    }
  }
  await wllama.decode(ids(8), {})
  await decode(4)
  await wllama.kvClear()
  const begin = performance.now()
  await wllama.decode(ids(prompt), {})
  const prefillMs = performance.now() - begin
  await wllama.kvClear()
  await wllama.decode(ids(4), {})
  const middle = performance.now()
  await decode(newTokens)
  const end = performance.now()
  return {
    prefill_short_tok_s: (prompt * 1000) / prefillMs,
    decode_tok_s: (newTokens * 1000) / (end - middle),
    multithread: wllama.isMultithread(),
  }
}

async function sample() {
  try {
    const model = await (await fetch('/model.gguf')).blob()
    return await (query.get('api') === 'text' ? sampleWithText(model) : sampleWithTokens(model))
  } catch (error) {
    return { error: String(error?.stack ?? error).slice(0, 500) }
  }
}

await fetch('/done', { method: 'POST', body: JSON.stringify(await sample()) })
