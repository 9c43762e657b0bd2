// Runs in the browser: opens engines of one or two versions of the SDK side by side, and lets one after the other work as
// the driver (page-engines.ts) says. Asks for the next order with the answer to the last.
const engines = new Map()

async function open({ name, sdk, model, options }) {
  const { load } = await import(`${sdk}index.js`)
  // Guesses depend on what steps take; a version from before they were does not know the option.
  const engine = await load(model, { ...options, speculation: 'off' }).catch(error => {
    if (error.code !== 'BAD_OPTION') throw error
    return load(model, options)
  })
  engines.set(name, engine)
  return { vocab: engine.model.vocab, threads: (await engine.stats()).threads }
}

const greedy = maxTokens => ({ maxTokens, temperature: 0, ignoreEos: true, reuse: false })

/** One request; the rates by the engine's own clock. */
async function turn({ name, prompt, tokens }) {
  const engine = engines.get(name)
  const before = (await engine.stats()).pool
  const result = await engine.generate(prompt, greedy(tokens)).result
  const after = (await engine.stats()).pool
  return {
    prefill_tok_s: (1000 * result.promptTokens) / result.prefillMs,
    decode_tok_s: (1000 * (result.tokens.length - 1)) / result.decodeMs,
    tokens: result.tokens,
    ...(before && after ? { pool: { before, after } } : {}),
  }
}

/** Requests one after another for so many milliseconds: when each token came, in milliseconds since 1970. */
async function write({ name, prompt, tokens, ms }) {
  const times = []
  const end = performance.now() + ms
  while (performance.now() < end) {
    const leave = new AbortController()
    const timer = setTimeout(() => leave.abort(), end - performance.now())
    try {
      const options = { ...greedy(tokens), signal: leave.signal }
      for await (const chunk of engines.get(name).generate(prompt, options)) {
        const at = performance.timeOrigin + performance.now()
        for (let i = 0; i < chunk.tokens.length; i++) times.push(at)
      }
    } catch (error) {
      if (!leave.signal.aborted) throw error
    }
    clearTimeout(timer)
  }
  return { times }
}

async function close({ name }) {
  await engines.get(name).close()
  engines.delete(name)
  return {}
}

const orders = { open, turn, write, close }
let answer = { ready: crossOriginIsolated }
for (;;) {
  const response = await fetch('/next', { method: 'POST', body: JSON.stringify(answer) })
  const order = await response.json()
  if (order === null) break
  try {
    answer = await orders[order.do](order)
  } catch (error) {
    answer = { error: String(error?.stack ?? error).slice(0, 500) }
  }
}
