// `ryzanstein serve`: the engine behind OpenAI's /v1 over HTTP. Used by main.ts.
import { engineFetch } from '../adapters/openai/engine-fetch.ts'
import type { Parsed } from './arguments.ts'
import { open } from './open.ts'
import { startServer } from './server.ts'

const PORT = 8080
const QUEUE = 16

export async function serve(asked: Parsed): Promise<void> {
  const port = asked.number('port', 0, 65535) ?? PORT
  const host = asked.text('host') ?? '127.0.0.1'
  const cors = asked.list('cors')
  const apiKey = asked.text('api-key') ?? process.env.RYZANSTEIN_API_KEY
  const engine = await open(asked, {
    maxSequences: asked.number('sequences', 1),
    queueLimit: asked.number('queue', 0) ?? QUEUE,
  })
  const name = asked.text('name')
  const answer = engineFetch(engine, name === undefined ? {} : { models: [name] })
  const server = await startServer(answer, {
    host,
    port,
    cors,
    apiKey,
    health: async () => {
      const { queue, decode, contextLength } = await engine.stats()
      return { model: engine.model.name, contextLength, queue, decode }
    },
  })
  console.log(`listening on ${server.url}/v1`)
  let stops = 0
  const stop = async (): Promise<void> => {
    // Whoever asks twice does not want to wait.
    if (++stops > 1) process.exit(1)
    console.error(`stopping; ${server.open} answers end first`)
    await server.stop()
    await engine.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
