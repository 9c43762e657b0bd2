// The engine worker's entry: the one place that names concrete backends. Everything else arrives
// through interfaces. Bundled as worker.js; the page talks to it through protocol.ts.
import { expose } from 'comlink'
import { createReferenceBackend } from '../backend/reference/reference-backend.ts'
import { type BackendFactory, openEngineParts } from '../engine/open-backend.ts'
import { createEngineApi } from './engine-api.ts'
import { installErrorWire, type WireLoadOptions } from './protocol.ts'

const reference: BackendFactory = {
  name: 'reference',
  variant: 'typescript',
  threads: 1,
  scratchBytes: () => 0,
  create: async (memoryBytes, limits) => createReferenceBackend({ limits, memoryBytes }),
}

/** The rungs that the options leave, best first. */
function ladder(_options: WireLoadOptions): readonly BackendFactory[] {
  return [reference]
}

installErrorWire()
expose(
  createEngineApi((source, options, hooks) =>
    openEngineParts(source, options, hooks, ladder(options)),
  ),
)
