// Answers as one stream of chunks, several side by side where several were asked for. Leaving the stream, at
// whatever chunk, cancels them. How a chunk is written is the caller's. Used by openai.ts and completions.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { GenerateResult, TokenChunk } from '../../types/index.ts'

export type Answer = ReturnType<Ryzanstein['generate']>

/** How chunks are written; `index` is the answer's. */
export interface ChunkWriter<C> {
  begin(index: number): C[]
  piece(index: number, chunk: TokenChunk): C[]
  end(index: number, result: GenerateResult): C[]
  /** Behind everything. */
  close(results: readonly GenerateResult[]): C[]
}

/** An iterator by hand: an async generator that was not begun would not hear that it is left. */
export class AnswerStream<C> implements AsyncGenerator<C, void, undefined> {
  readonly #answers: readonly Answer[]
  readonly #chunks: AsyncGenerator<C, void, undefined>
  #first: Promise<IteratorResult<C, void>> | undefined
  #left = false

  constructor(answers: readonly Answer[], writer: ChunkWriter<C>) {
    this.#answers = answers
    this.#chunks = chunksOf(answers, writer)
  }

  /** Resolves with the first token, so that what refuses the request is no part of the stream. */
  async begun(): Promise<this> {
    this.#first = this.#chunks.next()
    try {
      await this.#first
    } catch (caught) {
      this.#leave()
      throw caught
    }
    return this
  }

  async next(): Promise<IteratorResult<C, void>> {
    if (this.#left) return { value: undefined, done: true }
    const next = this.#first ?? this.#chunks.next()
    this.#first = undefined
    try {
      return await next
    } catch (caught) {
      if (this.#left) return { value: undefined, done: true }
      this.#leave()
      throw caught
    }
  }

  async return(): Promise<IteratorResult<C, void>> {
    this.#leave()
    return { value: undefined, done: true }
  }

  async throw(caught: unknown): Promise<IteratorResult<C, void>> {
    this.#leave()
    throw caught
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave()
  }

  #leave(): void {
    this.#left = true
    for (const answer of this.#answers) answer.cancel()
  }
}

async function* chunksOf<C>(
  answers: readonly Answer[],
  writer: ChunkWriter<C>,
): AsyncGenerator<C, void, undefined> {
  const iterators = answers.map(answer => answer[Symbol.asyncIterator]())
  const ask = async (index: number) => ({ index, next: await iterators[index]!.next() })
  const asked = new Map(answers.map((_, index) => [index, ask(index)]))
  // Whoever asks after the first that fails leaves the others' failures unread.
  for (const one of asked.values()) one.catch(() => undefined)
  const begun = new Set<number>()
  while (asked.size > 0) {
    const { index, next } = await Promise.race(asked.values())
    if (!begun.has(index)) yield* writer.begin(index)
    begun.add(index)
    if (next.done) {
      asked.delete(index)
      yield* writer.end(index, await answers[index]!.result)
      continue
    }
    const again = ask(index)
    again.catch(() => undefined)
    asked.set(index, again)
    yield* writer.piece(index, next.value)
  }
  yield* writer.close(await Promise.all(answers.map(answer => answer.result)))
}

/**
 * Reads whole answers, several side by side.
 * @param choiceOf  what is made of each
 * @returns these, and the results
 */
export async function wholeAnswers<T>(
  answers: readonly Answer[],
  choiceOf: (
    index: number,
    result: GenerateResult,
    logprobs: NonNullable<TokenChunk['logprobs']>,
  ) => T,
): Promise<{ choices: T[]; results: GenerateResult[] }> {
  try {
    const read = answers.map(async (answer, index) => {
      const logprobs: NonNullable<TokenChunk['logprobs']> = []
      for await (const chunk of answer) logprobs.push(...(chunk.logprobs ?? []))
      const result = await answer.result
      return { result, choice: choiceOf(index, result, logprobs) }
    })
    const all = await Promise.all(read)
    return { choices: all.map(one => one.choice), results: all.map(one => one.result) }
  } finally {
    // Where one failed, the others are of no use.
    for (const answer of answers) answer.cancel()
  }
}
