// The live numbers: tokens per second, time to the first token, tokens, memory, load time, and which
// path runs and why. While a tale is written the rate is measured here; at its end the engine's own
// timings replace it.
import type { EngineStats, GenerateResult, Isolation } from 'ryzanstein'
import { byId } from './dom.ts'
import { gpuLines } from './gpu-words.ts'
import { count, megabytes, milliseconds, pathText, sentence } from './wording.ts'

const REFRESH_MS = 120

export class Figures {
  readonly #rate = byId('figure-rate', HTMLElement)
  /** The rate again, beside the buttons, where the colophon is out of sight. */
  readonly #pace = byId('pace', HTMLElement)
  readonly #ttft = byId('figure-ttft', HTMLElement)
  readonly #tokens = byId('figure-tokens', HTMLElement)
  #startMs = 0
  #firstMs = 0
  #shownMs = 0
  #seen = 0

  /** Tokens received since start(). */
  get tokens(): number {
    return this.#seen
  }

  /** Tokens per second since the first one; 0 while it cannot be known. */
  get rate(): number {
    const seconds = (performance.now() - this.#firstMs) / 1000
    return this.#seen > 1 && seconds > 0 ? (this.#seen - 1) / seconds : 0
  }

  start(): void {
    this.#startMs = performance.now()
    this.#firstMs = 0
    this.#shownMs = 0
    this.#seen = 0
    this.#rate.textContent = ''
    this.#pace.textContent = ''
    this.#ttft.textContent = ''
    this.#tokens.textContent = '0'
  }

  add(tokens: number): void {
    const now = performance.now()
    if (this.#seen === 0) {
      this.#firstMs = now
      this.#ttft.textContent = milliseconds(now - this.#startMs)
    }
    this.#seen += tokens
    if (now - this.#shownMs < REFRESH_MS) return
    this.#shownMs = now
    this.#show(this.rate)
  }

  /** @returns the final tokens per second */
  finish(result?: GenerateResult): number {
    let rate = this.rate
    if (result && result.tokens.length > 1 && result.decodeMs > 0) {
      rate = (result.tokens.length - 1) / (result.decodeMs / 1000)
      this.#ttft.textContent = milliseconds(result.ttftMs)
    }
    this.#show(rate)
    return rate
  }

  #show(rate: number): void {
    this.#tokens.textContent = count(this.#seen)
    if (rate === 0) return
    this.#rate.textContent = count(rate)
    this.#pace.textContent = `${count(rate)} tok/s`
  }
}

export function showMemory({ memory, loadMs }: EngineStats): void {
  const cell = byId('figure-memory', HTMLElement)
  cell.textContent = megabytes(memory.total)
  cell.title =
    `weights ${megabytes(memory.weights)}, KV cache ${megabytes(memory.kv)} ` +
    `(${memory.kvBlocksUsed} of ${memory.kvBlocks} blocks in use), scratch ${megabytes(memory.scratch)}`
  byId('figure-load', HTMLElement).textContent = milliseconds(loadMs)
}

/** Says that other programs use the processor, while they do. */
export function showOthers(stats: EngineStats | null): void {
  byId('others-busy', HTMLElement).hidden = stats?.pool?.othersBusy !== true
}

/** Which path runs, and a reason for everything that is not the best one. */
export function showPath(stats: EngineStats | null, isolation: Isolation): void {
  byId('path-summary', HTMLElement).textContent = stats ? pathText(stats) : 'No model is loaded.'
  const reasons = byId('path-reasons', HTMLElement)
  reasons.replaceChildren()
  const line = (text: string) => {
    const item = document.createElement('li')
    item.textContent = text
    reasons.append(item)
  }
  if (isolation.isolated) {
    const by = isolation.by === 'headers' ? 'the host’s headers' : 'this site’s service worker'
    line(`Cross-origin isolated by ${by}.`)
  } else line(`Not cross-origin isolated: ${isolation.reason}.`)
  for (const text of gpuLines(stats?.gpu, stats?.choice)) line(sentence(text))
  for (const { from, to, reason } of stats?.fallbacks ?? [])
    line(sentence(`${to} instead of ${from}: ${reason}`))
  for (const note of stats?.model.notes ?? []) line(sentence(note))
}
