// The result of a run in the shape of lm-evaluation-harness (results, groups, versions, n-shot, configs,
// n-samples), so that what reads its files reads these; what only this harness knows stands under `ryzanstein`.
import type { EngineStats, ModelInfo } from 'ryzanstein'
import {
  aggregate,
  BOOTSTRAP_DRAWS,
  type Figure,
  HIGHER_IS_BETTER,
  pool,
} from '../metrics/aggregate.ts'
import type { RunResult } from '../run/run.ts'
import { MMLU_GROUPS } from '../tasks/mmlu.ts'
import type { LikelihoodAnswer, MetricName, Scores, Task } from '../types.ts'

/** Figures of one task: `acc,none`, `acc_stderr,none`; "N/A" where a metric has no error. */
export type TaskFigures = Record<string, number | string>

export interface EvalResults {
  results: Record<string, TaskFigures>
  groups: Record<string, TaskFigures>
  group_subtasks: Record<string, string[]>
  configs: Record<string, unknown>
  versions: Record<string, string>
  'n-shot': Record<string, number>
  higher_is_better: Record<string, Record<string, boolean>>
  'n-samples': Record<string, { original: number; effective: number }>
  config: Record<string, unknown>
  date: number
  total_evaluation_time_seconds: string
  ryzanstein: {
    model: ModelInfo
    path: Record<string, unknown>
    fallbacks: EngineStats['fallbacks']
    /** Whether every text began with bos; older releases of the definition: never. */
    bos: boolean
    data: readonly DataFact[]
    notes: readonly string[]
    /** Documents whose context was cut from the left. */
    cut: Record<string, number>
    resumed: number
  }
}

export interface DataFact {
  name: string
  bytes: number
  sha256: string
  /** What it held: documents or examples. */
  use: 'documents' | 'examples'
  url?: string
}

/** What a result says beside the figures. */
export interface ResultFacts {
  readonly stats: EngineStats
  readonly model: string
  readonly options: Readonly<Record<string, unknown>>
  readonly data: readonly DataFact[]
  readonly limit: number | undefined
  readonly seed: number
  readonly date?: number
}

/** @param runs  one for each task */
export function resultsOf(runs: readonly RunResult[], facts: ResultFacts): EvalResults {
  const { stats } = facts
  const { model, fallbacks, backend, variant, threads, strict, head, activations, kv } = stats
  const out: EvalResults = {
    results: {},
    groups: {},
    group_subtasks: {},
    configs: {},
    versions: {},
    'n-shot': {},
    higher_is_better: {},
    'n-samples': {},
    config: {
      model: 'ryzanstein',
      model_args: facts.model,
      ...facts.options,
      limit: facts.limit ?? null,
      bootstrap_iters: BOOTSTRAP_DRAWS,
      fewshot_seed: facts.seed,
    },
    date: Math.round((facts.date ?? Date.now()) / 1000),
    total_evaluation_time_seconds: String(runs.reduce((sum, run) => sum + run.seconds, 0)),
    ryzanstein: {
      model,
      path: {
        backend,
        variant,
        threads,
        strict,
        head,
        activations,
        kv,
        contextLength: stats.contextLength,
        ...(stats.gpu && { gpu: stats.gpu.description }),
      },
      fallbacks,
      bos: runs.some(run => run.bos),
      data: facts.data,
      notes: [...new Set(runs.flatMap(run => run.plan.notes))],
      cut: {},
      resumed: runs.reduce((sum, run) => sum + run.resumed, 0),
    },
  }
  for (const run of runs) addTask(out, run)
  return out
}

function addTask(out: EvalResults, { plan, parts }: RunResult): void {
  const { task } = plan
  for (const { part, records } of parts) {
    const { name } = part
    out.results[name] = {
      alias: name,
      ...figuresOf(
        task,
        records.map(record => record.scores),
      ),
    }
    out.versions[name] = task.definition.version
    out['n-shot'][name] = part.shots
    out.higher_is_better[name] = higher(task)
    out['n-samples'][name] = { original: part.original, effective: records.length }
    out.configs[name] = {
      task: name,
      definition: `lm-evaluation-harness ${task.definition.task}`,
      output_type: task.output,
      num_fewshot: part.shots,
      description: task.description?.(part.part) ?? '',
      metric_list: task.metrics.map(metric => ({ metric })),
      metadata: { version: task.definition.version },
    }
    const cut = records.filter(record =>
      record.answers.some(answer => ((answer as LikelihoodAnswer).cut ?? 0) > 0),
    ).length
    if (cut > 0) out.ryzanstein.cut[name] = cut
  }
  if (task.part !== undefined)
    addGroups(
      out,
      task,
      parts.map(({ part }) => part.name),
    )
}

/** Subjects pooled over their documents: all of them, and the published groups. */
function addGroups(out: EvalResults, task: Task, names: readonly string[]): void {
  const groups: [string, readonly string[]][] = [
    [task.name, names],
    ...Object.entries(MMLU_GROUPS).map(([group, subjects]): [string, string[]] => [
      `${task.name}_${group}`,
      names.filter(name => subjects.includes(name.slice(task.name.length + 1))),
    ]),
  ]
  for (const [group, members] of groups) {
    if (members.length === 0) continue
    const figures: TaskFigures = { alias: group }
    for (const metric of task.metrics) {
      const key = `${metric},none`
      const figure = pool(
        members.map(name => {
          const error = out.results[name]![errorKey(key)]!
          return {
            value: out.results[name]![key] as number,
            error: typeof error === 'number' ? error : null,
            count: out['n-samples'][name]!.effective,
          }
        }),
      )
      put(figures, key, figure)
    }
    out.groups[group] = figures
    out.results[group] = figures
    out.group_subtasks[group] = [...members]
    out.versions[group] = '2'
    out['n-shot'][group] = out['n-shot'][members[0]!]!
    out.higher_is_better[group] = higher(task)
    const samples = members.map(name => out['n-samples'][name]!)
    out['n-samples'][group] = {
      original: samples.reduce((sum, s) => sum + s.original, 0),
      effective: samples.reduce((sum, s) => sum + s.effective, 0),
    }
  }
}

/** The figures of documents: every metric, under each filter that it was scored with. */
export function figuresOf(task: Task, scores: readonly Scores[]): TaskFigures {
  const figures: TaskFigures = {}
  for (const key of Object.keys(scores[0] ?? {})) {
    const metric = key.split(',')[0] as MetricName
    if (!task.metrics.includes(metric)) continue
    put(
      figures,
      key,
      aggregate(
        metric,
        scores.map(score => score[key]!),
      ),
    )
  }
  return figures
}

function put(figures: TaskFigures, key: string, { value, error }: Figure): void {
  figures[key] = value
  figures[errorKey(key)] = error ?? 'N/A'
}

/** `acc,none` has its error under `acc_stderr,none`. */
export function errorKey(key: string): string {
  return key.replace(',', '_stderr,')
}

function higher(task: Task): Record<string, boolean> {
  return Object.fromEntries(task.metrics.map(metric => [metric, HIGHER_IS_BETTER[metric]]))
}
