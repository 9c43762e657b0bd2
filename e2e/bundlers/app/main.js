// A user's page: loads the model beside it and shows a greedy answer, or the error. `options` come from the
// query, so that one build serves every case.
import { isolate, load } from 'ryzanstein'

const show = (state, text) => {
  document.title = state
  document.body.textContent = text
}

async function run() {
  const query = new URLSearchParams(location.search)
  const worker = query.get('isolate')
  if (worker !== null) await isolate(worker)
  const options = JSON.parse(query.get('options') ?? '{}')
  const engine = await load(new URL(query.get('model') ?? './model.gguf', document.baseURI).href, {
    cache: 'off',
    calibrate: false,
    ...options,
  })
  const text = await engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 }).text()
  const { backend, threads, tab, fallbacks } = await engine.stats()
  await engine.close()
  show('done', JSON.stringify({ text, backend, threads, tab, fallbacks }))
}

run().catch(error => show('failed', `${error.code}: ${error.message}`))
