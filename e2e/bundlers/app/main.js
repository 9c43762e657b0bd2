// A user's page: loads the model beside it and shows a greedy answer, or the error. `options` come from the
// query, so that one build serves every case; with `api`, a service worker, the page also asks its own engine by fetch().
import { isolate, load } from 'ryzanstein'
import { engineFetch } from 'ryzanstein/openai'
import { provide, register } from 'ryzanstein/service-worker'

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
  const models = query.has('api') ? await ask(query.get('api'), engine) : []
  await engine.close()
  show('done', JSON.stringify({ text, backend, threads, tab, fallbacks, models }))
}

/** Names of models, as the service worker tells them. */
async function ask(script, engine) {
  const registered = await register(script)
  if (!registered.controlled) throw new Error(registered.reason)
  const stop = await provide(engineFetch(engine))
  const { data } = await (await fetch('/v1/models')).json()
  stop()
  return data.map(({ id }) => id)
}

run().catch(error => show('failed', `${error.code}: ${error.message}`))
