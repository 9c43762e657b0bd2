// Which task a published file belongs to, and whether it holds documents or examples, by its name: so that a
// folder, or what is dropped on the page, needs no list. Pure.

/** By task, what its files are called where they are given out; a folder's name counts, too. */
const NAMES: readonly (readonly [task: string, name: RegExp])[] = [
  ['mmlu', /mmlu/i],
  ['hellaswag', /hellaswag/i],
  ['arc_challenge', /arc.*challenge/i],
  ['arc_easy', /(^|[/_.-])arc([/_.-]|$)/i],
  ['commonsense_qa', /common_?sense_?qa/i],
  ['piqa', /(^|[/_.-])(piqa|physicaliqa)/i],
  ['openbookqa', /openbook_?qa/i],
  ['boolq', /boolq/i],
  ['winogrande', /winogrande/i],
  ['lambada_openai', /lambada/i],
  ['gsm8k', /gsm8k/i],
  ['wikitext', /wiki/i],
]

/** The task that a file belongs to; undefined where its name says none. */
export function taskOfFile(name: string): string | undefined {
  return NAMES.find(([, pattern]) => pattern.test(name))?.[0]
}

/** MMLU's examples are its dev files; elsewhere dev files are documents, and examples are for training. */
export function isExampleFile(task: string, name: string): boolean {
  const mark = task === 'mmlu' ? 'dev' : 'train'
  return new RegExp(`(^|[/_.-])${mark}([/_.-]|$)`, 'i').test(name)
}

/** The files of one task. */
export interface PublishedTask {
  readonly task: string
  readonly documents: readonly string[]
  readonly examples: readonly string[]
}

/** Files by task, in the order of the list above; tasks without documents are left out. */
export function publishedTasks(names: readonly string[]): PublishedTask[] {
  return NAMES.map(([task]): PublishedTask => {
    const own = names.filter(name => taskOfFile(name) === task)
    return {
      task,
      documents: own.filter(name => !isExampleFile(task, name)),
      examples: own.filter(name => isExampleFile(task, name)),
    }
  }).filter(({ documents }) => documents.length > 0)
}
