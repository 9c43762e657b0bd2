// What is made of masks while a grammar is compiled, beside the prompt: the class tries of its patterns. Bounded by
// counts, in steps of some milliseconds; masks are right without it, too. Called by part.ts.
import { buildClassTrie, classKey, classTrieBytes, type RegionTrie } from './run/class-trie.ts'
import type { CompiledGrammar } from './run/filter.ts'
import { covers, type Region, wideRegions } from './run/regions.ts'
import type { Terminal } from './run/terminal.ts'
import type { ClassTrie, Vocabulary } from './run/vocabulary.ts'
import type { Work } from './work.ts'

/** Tries made for one grammar: each takes 10 to 30 ms of 151,936 tokens. */
const MOST_TRIES = 12
/** Nodes of a trie that serves other regions of its pattern, too. */
const FEW_NODES = 4000
/** Bytes of tries that a vocabulary keeps for further grammars. */
const KEEP_BYTES = 24e6

/** Makes the class tries of a grammar's patterns. */
export function* prepareMasks({ masks }: CompiledGrammar): Work<void> {
  const { vocabulary, machine } = masks
  const seen = new Set<Terminal>()
  let made = 0
  for (const { terminals } of machine.rules.nodes) {
    for (const { terminal } of terminals) {
      if (seen.has(terminal)) continue
      seen.add(terminal)
      // That one has a table of its own: free-string.ts.
      if (terminal.free && terminal.form !== 'raw') continue
      const byState: RegionTrie[] = []
      const small: { region: Region; trie: ClassTrie }[] = []
      for (const region of yield* wideRegions(terminal)) {
        const other = small.find(one => covers(one.region, region))
        const key = classKey(terminal, region)
        if (other === undefined && !vocabulary.classTries.has(key)) {
          if (made++ >= MOST_TRIES) continue
          keep(vocabulary, key, yield* buildClassTrie(vocabulary, terminal, region))
        }
        const trie = other?.trie ?? vocabulary.classTries.get(key)
        if (trie === undefined) continue
        if (other === undefined && trie.edge.length <= FEW_NODES) small.push({ region, trie })
        const { columns } = other?.region ?? region
        for (const q of region.states) byState[q] = { trie, columns }
      }
      if (byState.length > 0) masks.tries.set(terminal, byState)
    }
  }
}

/** The oldest go; grammars in use hold their own. */
function keep({ classTries }: Vocabulary, key: string, made: ClassTrie | undefined): void {
  classTries.set(key, made)
  let bytes = 0
  for (const trie of classTries.values()) if (trie !== undefined) bytes += classTrieBytes(trie)
  for (const [oldest, trie] of classTries) {
    if (bytes <= KEEP_BYTES) break
    classTries.delete(oldest)
    if (trie !== undefined) bytes -= classTrieBytes(trie)
  }
}
