// The runner, on the SDK's own class over a network without weights: what it reads, keeps and resumes.
import { mkdtempSync, readdirSync, readFileSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { FileJournal } from '../../evals/node/journal-file.ts'
import { readRows } from '../../evals/read/rows.ts'
import { markdownOf } from '../../evals/report/markdown.ts'
import { resultsOf } from '../../evals/report/results.ts'
import { Gate } from '../../evals/run/gate.ts'
import { EvalModel } from '../../evals/run/model.ts'
import { planTask } from '../../evals/run/plan.ts'
import { type RunProgress, runPlan } from '../../evals/run/run.ts'
import { taskNamed } from '../../evals/tasks/table.ts'
import type { EvalEngine, LikelihoodAnswer } from '../../evals/types.ts'
import { connect } from '../../src/api/ryzanstein.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { FakeWorker } from '../api/fake-worker.ts'
import type { FakeOptions } from '../engine/fakes.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(fake: FakeOptions = {}, options: LoadOptions = {}) {
  const worker = new FakeWorker({ contextLength: 512, ...fake })
  const engine = await connect(worker, new Blob(['x']), options)
  closing.push(() => engine.close())
  return { engine, worker, fed: () => worker.network!.steps.flat().length }
}

async function planOf(task: string, lines: object[], limit?: number) {
  const content = lines.map(line => JSON.stringify(line)).join('\n')
  const rows = await readRows(taskNamed(task), [{ name: 'x.jsonl', blob: new Blob([content]) }])
  return planTask(taskNamed(task), rows, [], { limit })
}

/** An engine whose methods can be replaced one by one. */
const passedOn = (engine: EvalEngine): EvalEngine => ({
  model: engine.model,
  tokenize: (text, options) => engine.tokenize(text, options),
  score: (input, options) => engine.score(input, options),
  generate: (prompt, options) => engine.generate(prompt, options),
  chat: (messages, options) => engine.chat(messages, options),
  stats: () => engine.stats(),
  close: () => engine.close(),
})

const LONG =
  'There is a road that goes over the hills and down to the sea, and nobody walks on it. '
const choices = Array.from({ length: 6 }, (_, i) => ({
  goal: `${LONG}${i}`,
  sol1: `walk ${i} miles`,
  sol2: `take the train at ${i}`,
  label: i % 2,
}))
const words = Array.from({ length: 9 }, (_, i) => ({ text: `${i} roads go to the sea` }))

const logprobs = (run: Awaited<ReturnType<typeof runPlan>>) =>
  run.parts.flatMap(({ records }) =>
    records.flatMap(record => record.answers.map(a => (a as LikelihoodAnswer).logprob)),
  )

describe('requests', () => {
  it('read a shared context once, with the numbers of reading it each time', async () => {
    const { engine, fed } = await start()
    const run = await runPlan(engine, await planOf('piqa', choices), { parallel: 1 })
    // Each question is 110 tokens and more; its second option begins behind three blocks of 32.
    const once = fed()
    const texts = choices.flatMap(c =>
      [c.sol1, c.sol2].map(s => `Question: ${c.goal}\nAnswer: ${s}`),
    )
    const all = texts.reduce((sum, text) => sum + text.length, 0)
    expect(once).toBeLessThan(all * 0.7)
    const { engine: other } = await start()
    const scored: number[] = []
    for (const text of texts) {
      const { logprobs: each } = await other.score(text)
      const length = text.length - text.lastIndexOf('\nAnswer:') - '\nAnswer:'.length
      scored.push(each.slice(-length).reduce((sum, x) => sum + x, 0))
    }
    expect(logprobs(run)).toEqual(scored)
  })

  it('give the same numbers however many run at once', async () => {
    const plan = await planOf('piqa', choices)
    const { engine } = await start()
    const one = await runPlan(engine, plan, { parallel: 1 })
    const { engine: other } = await start({}, { maxSequences: 8 })
    expect(logprobs(await runPlan(other, plan))).toEqual(logprobs(one))
  })

  it('of one token each are one call, with the numbers of many', async () => {
    const { engine, fed } = await start()
    const model = await EvalModel.open(engine)
    const request = (letter: string) =>
      ({ kind: 'loglikelihood', context: 'x:', continuation: letter }) as const
    const before = fed()
    const together = await model.answer(['a', 'b', 'c'].map(request))
    expect(fed() - before).toBe(3) // bos, x and the colon; no letter is fed
    const { engine: other } = await start()
    const alone = await EvalModel.open(other)
    for (const [i, letter] of ['a', 'b', 'c'].entries()) {
      expect([together[i]]).toEqual(await alone.answer([request(letter)]))
    }
    expect(together.filter(answer => (answer as LikelihoodAnswer).greedy).length).toBeLessThan(2)
  })

  it('put bos before texts as the model says, never, or always', async () => {
    const { engine, worker } = await start()
    const first = async (bos: 'tokenizer' | 'never') => {
      const model = await EvalModel.open(engine, { bos })
      const at = worker.network!.steps.length
      await model.answer([{ kind: 'loglikelihood', context: 'ab', continuation: ' c' }])
      return worker.network!.steps[at]![0]!.token
    }
    expect(await first('tokenizer')).toBe(256)
    expect(await first('never')).toBe(97)
  })

  it('are what greedy sampling writes when every one of their tokens is', async () => {
    const { engine } = await start()
    const greedy = async (wrong?: number) => {
      const score: EvalEngine['score'] = async (input, options) => {
        const scored = await engine.score(input, options)
        const likeliest = Int32Array.from(scored.tokens)
        if (wrong !== undefined) likeliest[(options?.from ?? 0) + wrong]! += 1
        return { ...scored, likeliest }
      }
      const model = await EvalModel.open({ ...passedOn(engine), score })
      const request = { kind: 'loglikelihood', context: 'x', continuation: 'abc' } as const
      return ((await model.answer([request]))[0] as LikelihoodAnswer).greedy
    }
    expect([await greedy(), await greedy(0), await greedy(1), await greedy(2)]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('of a model whose tokenizer puts no bos have none, but always; the result says which', async () => {
    const { engine, worker } = await start()
    const plain: EvalEngine = {
      ...passedOn(engine),
      model: { ...engine.model, addsBos: false },
    }
    const stats = await engine.stats()
    const facts = { stats, model: 'fake', options: {}, data: [], limit: undefined, seed: 0 }
    const run = async (bos: 'tokenizer' | 'always') => {
      const at = worker.network!.steps.length
      const done = await runPlan(plain, await planOf('lambada_openai', words, 1), { bos })
      const fed = worker.network!.steps.slice(at).flat()
      return [resultsOf([done], facts).ryzanstein.bos, fed.some(({ token }) => token === 256)]
    }
    expect(await run('tokenizer')).toEqual([false, false])
    expect(await run('always')).toEqual([true, true])
  })

  it('that are too long lose their beginning, and the result says how many', async () => {
    const { engine } = await start({ contextLength: 64 })
    const run = await runPlan(engine, await planOf('piqa', choices))
    const stats = await engine.stats()
    const facts = { stats, model: 'fake', options: {}, data: [], limit: undefined, seed: 0 }
    expect(resultsOf([run], facts).ryzanstein.cut).toEqual({ piqa: 6 })
  })

  it('rolling: every token once, over several windows', async () => {
    const { engine } = await start({ contextLength: 64 })
    const model = await EvalModel.open(engine)
    const text = LONG.repeat(2)
    const [answer] = await model.answer([{ kind: 'rolling', text }])
    expect(answer).toMatchObject({ tokens: text.length + 1, windows: 3 })
  })
})

describe('a run', () => {
  it('goes on where it was cut, and ends with the figures of one that was not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'evals-'))
    const plan = await planOf('lambada_openai', words)
    const { engine } = await start()
    const whole = await runPlan(engine, plan)
    // Killed after the fourth document: the engine and the run are gone, the files stay.
    const { engine: killed } = await start()
    const abort = new AbortController()
    const cut = runPlan(killed, plan, {
      journal: new FileJournal(folder),
      signal: abort.signal,
      parallel: 1,
      onProgress: ({ done }) => {
        if (done === 4) abort.abort()
      },
    })
    await expect(cut).rejects.toMatchObject({ name: 'AbortError' })
    // The last line was being written.
    const [run] = readdirSync(folder)
    const file = join(folder, run!, 'lambada_openai.jsonl')
    truncateSync(file, readFileSync(file).length - 5)
    const { engine: next, fed } = await start()
    const seen: RunProgress[] = []
    const resumed = await runPlan(next, plan, {
      journal: new FileJournal(folder),
      onProgress: progress => seen.push(progress),
    })
    expect(resumed.resumed).toBe(3)
    expect(resumed.key).toBe(whole.key)
    expect(resumed.parts).toEqual(whole.parts)
    expect(seen[0]).toMatchObject({ done: 3, total: 9, secondsLeft: null, documentsPerSecond: 0 })
    expect(seen.at(-1)).toMatchObject({ done: 9, resumed: 3, secondsLeft: 0 })
    // A third time there is nothing to compute but the probe that names the run.
    const before = fed()
    const again = await runPlan(next, plan, { journal: new FileJournal(folder) })
    expect(again.resumed).toBe(9)
    expect(fed() - before).toBeLessThan(10)
  })

  it('is another run for another model, rule of bos, or file; not for another limit', async () => {
    const plan = await planOf('lambada_openai', words)
    const { engine } = await start()
    const { key } = await runPlan(engine, plan)
    expect((await runPlan(engine, await planOf('lambada_openai', words, 2))).key).toBe(key)
    expect((await runPlan(engine, plan, { bos: 'never' })).key).not.toBe(key)
    expect((await runPlan(engine, plan, { data: ['other'] })).key).not.toBe(key)
    const { engine: other } = await start({ logits: out => out.fill(1) })
    expect((await runPlan(other, plan)).key).not.toBe(key)
  })

  it('that a rule stops at names the document', async () => {
    const { engine } = await start({ contextLength: 64 })
    const long = { goal: 'g', sol1: 'a', sol2: LONG.repeat(2), label: 0 }
    const run = runPlan(engine, await planOf('piqa', [choices[0]!, long]))
    await expect(run).rejects.toThrow(
      /^line 2 of x\.jsonl: a continuation of \d+ tokens does not fit a context of 64/,
    )
  })

  it('ends with the error of the engine, and nothing goes on behind it', async () => {
    const { engine, fed } = await start({
      onStep: (_, step) => {
        if (step > 4) throw new RangeError('broken')
      },
    })
    const told: number[] = []
    const running = runPlan(engine, await planOf('piqa', choices), {
      onProgress: ({ done }) => told.push(done),
    })
    await expect(running).rejects.toThrow('broken')
    const [steps, count] = [fed(), told.length]
    await new Promise(resolve => setTimeout(resolve, 20))
    expect([fed(), told.length]).toEqual([steps, count])
  })
})

it('a result has the shape that readers of lm-evaluation-harness know', async () => {
  const lines = ['anatomy', 'astronomy', 'law'].flatMap(subject =>
    [0, 1, 2].map(answer => ({
      question: subject,
      subject,
      choices: ['1', '2', '3', '4'],
      answer,
    })),
  )
  const content = lines.map(line => JSON.stringify(line)).join('\n')
  const mmlu = taskNamed('mmlu')
  const rows = await readRows(mmlu, [{ name: 'x.jsonl', blob: new Blob([content]) }])
  const { engine } = await start()
  const run = await runPlan(engine, planTask(mmlu, rows, [], { shots: 0, limit: 2 }))
  const stats = await engine.stats()
  const facts = { stats, model: 'fake', options: {}, data: [], limit: 2, seed: 1234, date: 0 }
  const out = resultsOf([run], facts)
  expect(Object.keys(out.results)).toEqual([
    'mmlu_anatomy',
    'mmlu_astronomy',
    'mmlu_law',
    'mmlu',
    'mmlu_stem',
  ])
  expect(Object.keys(out.results.mmlu_law!)).toEqual(['alias', 'acc,none', 'acc_stderr,none'])
  expect(out.group_subtasks.mmlu_stem).toEqual(['mmlu_anatomy', 'mmlu_astronomy'])
  expect(out['n-samples'].mmlu).toEqual({ original: 9, effective: 6 })
  expect(out['n-shot'].mmlu_law).toBe(0)
  expect(out.versions.mmlu_law).toBe('1.0')
  expect(out.config).toMatchObject({ model_args: 'fake', limit: 2, fewshot_seed: 1234 })
  expect(JSON.parse(JSON.stringify(out))).toEqual(out)
  const table = markdownOf(out).split('\n')
  expect(table[2]).toMatch(
    /^\| mmlu \| 2 \| none \| 0 \| acc \| ↑ \| 0\.\d{4} \| ± \| 0\.\d{4} \|$/,
  )
  expect(table).toHaveLength(2 + 5 + 1)
})

it('a gate lets so many through, in their order', async () => {
  const gate = new Gate(2)
  const begun: number[] = []
  let inside = 0
  let most = 0
  const work = (i: number) => async () => {
    begun.push(i)
    most = Math.max(most, ++inside)
    await new Promise(resolve => setTimeout(resolve, 1))
    inside--
    if (i === 1) throw new Error('one fails')
  }
  const all = await Promise.allSettled([0, 1, 2, 3, 4].map(i => gate.pass(work(i))))
  expect(begun).toEqual([0, 1, 2, 3, 4])
  expect(most).toBe(2)
  expect(all.filter(result => result.status === 'rejected')).toHaveLength(1)
})
