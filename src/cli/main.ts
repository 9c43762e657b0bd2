#!/usr/bin/env node
// `npx ryzanstein serve model.gguf` and `npx ryzanstein chat model.gguf`. Built as cli.js.
import { RyzError } from '../errors.ts'
import { PACKAGE_VERSION } from '../features.ts'
import { helpText, parse, UsageError } from './arguments.ts'

try {
  const asked = parse(process.argv.slice(2))
  if (asked === 'help') console.log(helpText())
  else if (asked === 'version') console.log(PACKAGE_VERSION)
  else if (asked.command === 'serve') await (await import('./serve.ts')).serve(asked)
  else await (await import('./chat.ts')).chat(asked)
} catch (caught) {
  const known = caught instanceof RyzError || caught instanceof UsageError
  console.error(known ? `ryzanstein: ${caught.message}` : caught)
  if (caught instanceof UsageError) console.error('ryzanstein help lists commands and options')
  process.exit(caught instanceof UsageError ? 2 : 1)
}
