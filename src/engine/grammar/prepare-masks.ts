// What is made of masks while a grammar is compiled, beside the prompt: the class tries of its patterns, and the masks
// that come first, so that no token waits for them, nor for code that the JavaScript engine has not optimised yet.
// Bounded by counts, in steps of some milliseconds; masks are right without it, too. Called by part.ts.
import type { Rules } from './rules/rules.ts'
import { buildClassTrie, classKey, classTrieBytes, type RegionTrie } from './run/class-trie.ts'
import type { CompiledGrammar } from './run/filter.ts'
import { NOWHERE, type State } from './run/machine.ts'
import { covers, type Region, wideRegions } from './run/regions.ts'
import { BLANK } from './run/registers.ts'
import type { Terminal, TerminalState } from './run/terminal.ts'
import type { ClassTrie, Vocabulary } from './run/vocabulary.ts'
import { GrammarFault, type Work } from './work.ts'

/** Tries made for one grammar: each takes 10 to 30 ms of 151,936 tokens. */
const MOST_TRIES = 12
/** Nodes of a trie that serves other regions of its pattern, too. */
const FEW_NODES = 4000
/** Bytes of tries that a vocabulary keeps for further grammars. */
const KEEP_BYTES = 24e6
/** Tokens: of fewer the masks are cheap as they come. */
const SMALL = 20_000
/** Rules whose beginnings are looked at, and states that are met from the start on. */
const MOST_RULES = 48
const MOST_STATES = 160
const MOST_PATTERN_STATES = 240
/** Trie nodes walked in all. */
const MOST_VISITS = 600_000
/** One of each kind that grammars tell apart. */
const BYTES = Array.from('"a{[,:} ]1-0.etfnA\\\n(é', char => new TextEncoder().encode(char)[0])

/** Makes what the first masks need. */
export function* prepareMasks(grammar: CompiledGrammar): Work<void> {
  yield* classTries(grammar)
  if (grammar.masks.vocabulary.size <= SMALL) return
  try {
    yield* firstMasks(grammar)
  } catch (caught) {
    // Too ambiguous somewhere: only who gets there is told.
    if (!(caught instanceof GrammarFault)) throw caught
  }
}

function* classTries({ masks }: CompiledGrammar): Work<void> {
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

function* firstMasks(grammar: CompiledGrammar): Work<void> {
  const { masks } = grammar
  const { machine } = masks
  const { rules } = machine
  const enough = () => masks.visited > MOST_VISITS
  // What can be read inside a call does not depend on where it returns to, and is kept.
  for (const { start } of rules.rules.slice(0, MOST_RULES)) {
    if (enough()) return
    masks.of(
      machine.state([{ node: start, terminal: undefined, registers: BLANK, frame: NOWHERE }]),
    )
    yield
  }
  for (const terminal of ownTerminals(machine.rules, MOST_PATTERN_STATES)) {
    masks.of(machine.state([{ node: -1, terminal, registers: BLANK, frame: NOWHERE }]))
    yield
  }
  const met = new Set<State>([machine.start])
  for (const state of met) {
    if (enough()) return
    grammar.maskOf(state)
    yield
    for (const byte of BYTES) {
      if (met.size >= MOST_STATES) break
      const next = state.next(byte)
      if (next !== null && next.items.length > 0) met.add(next)
    }
  }
}

/** States of the grammar's patterns, between two characters. */
function* ownTerminals({ nodes }: Rules, most: number): Generator<TerminalState> {
  const all = new Set(nodes.flatMap(node => node.terminals.map(({ terminal }) => terminal)))
  let left = most
  for (const terminal of all) {
    const { min, max, dfa } = terminal
    for (let q = 0; q < dfa.states && left > 0; q++) {
      if (!terminal.alive(q, min, max)) continue
      left--
      yield terminal.between(q, min, max)
    }
  }
}
