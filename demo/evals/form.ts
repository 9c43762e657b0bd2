// The settings form: shows EvalSettings and reads them back, and says what files the task reads.
import { TASKS, taskNamed } from '../../evals/tasks/table.ts'
import { byId } from '../src/dom.ts'
import { CHOICES, fillSelect } from '../src/engine-choices.ts'
import { type EvalSettings, settingsFrom } from './settings.ts'

const FIELDS = [
  'task',
  'data',
  'shots',
  'fewshot',
  'limit',
  'bos',
  'seed',
  'model',
  'backend',
  'threads',
  'kv',
  'head',
  'context',
  'budget',
] as const
const CHECKS = ['strict', 'float', 'software'] as const

export class SettingsForm {
  constructor() {
    for (const name of ['backend', 'kv', 'head'] as const) {
      fillSelect(`set-${name}`, CHOICES[name], 'auto')
    }
    const options = TASKS.map(task => new Option(task.title, task.name))
    byId('set-task', HTMLSelectElement).replaceChildren(...options)
    byId('settings', HTMLFormElement).addEventListener('submit', event => event.preventDefault())
    field('task').addEventListener('change', () => this.#showTask())
  }

  show(settings: EvalSettings): void {
    for (const name of FIELDS) {
      const value = settings[name]
      field(name).value = Array.isArray(value) ? value.join(' ') : String(value ?? '')
    }
    for (const name of CHECKS) check(name).checked = settings[name]
    this.#showTask()
  }

  /** What cannot be used takes its default, as in a link. */
  read(): EvalSettings {
    const query = new URLSearchParams(FIELDS.map(name => [name, field(name).value.trim()]))
    for (const name of CHECKS) query.set(name, check(name).checked ? '1' : '')
    return settingsFrom(query)
  }

  #showTask(): void {
    const name = field('task').value
    const task = TASKS.some(known => known.name === name) ? taskNamed(name) : undefined
    byId('task-note', HTMLElement).textContent = task
      ? `As ${task.definition.task} ${task.definition.version} of lm-evaluation-harness.`
      : ''
    byId('data-note', HTMLElement).textContent = task ? `It reads ${task.files}.` : ''
    byId('set-fewshot', HTMLInputElement).placeholder = String(task?.shots ?? 0)
  }
}

function field(name: (typeof FIELDS)[number]): HTMLInputElement {
  return byId(`set-${name}`, HTMLElement) as HTMLInputElement
}

function check(name: (typeof CHECKS)[number]): HTMLInputElement {
  return byId(`set-${name}`, HTMLInputElement)
}
