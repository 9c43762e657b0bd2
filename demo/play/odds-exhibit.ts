// Probabilities: an answer whose tokens can be pointed at, or walked with the arrow keys, and what else the model
// could have said at each.
import type { TokenLogprob } from 'ryzanstein'
import { byId } from '../src/dom.ts'
import { exhibit, type Stage } from './exhibit.ts'

const LIKELIEST = 6

export function oddsExhibit(stage: Stage): void {
  const question = byId('odds-question', HTMLInputElement)
  const tokens = byId('odds-tokens', HTMLElement)
  const temperature = byId('odds-temperature', HTMLInputElement)
  const shown = byId('odds-shown', HTMLOutputElement)

  const start = exhibit('odds', stage, async () => {
    tokens.replaceChildren()
    byId('odds-list', HTMLElement).replaceChildren()
    const messages = [{ role: 'user', content: question.value }]
    const result = await stage.session.run(
      (engine, signal) =>
        engine.chat(messages, {
          ...{ temperature: temperature.valueAsNumber, topK: 0, topP: 1 },
          ...{ logprobs: LIKELIEST, maxTokens: 80, signal },
        }),
      ({ logprobs = [] }) => tokens.append(...logprobs.map(drawToken)),
    )
    const first = tokens.querySelector('button')
    if (first) first.tabIndex = 0
    return typeof result === 'string' ? 'Stopped.' : 'Point at a word, or walk with the arrow keys.'
  })

  question.addEventListener('keydown', event => {
    if (event.key === 'Enter') start()
  })
  const showTemperature = () => {
    const value = temperature.valueAsNumber
    shown.value = value === 0 ? '0, greedy' : String(value)
  }
  temperature.addEventListener('input', showTemperature)
  showTemperature()
  tokens.addEventListener('keydown', event => walk(tokens, event))
}

function drawToken(entry: TokenLogprob[]): HTMLButtonElement {
  const [drawn, ...likeliest] = entry
  const token = document.createElement('button')
  token.type = 'button'
  token.className = 'token'
  // One stop for the Tab key; arrows walk.
  token.tabIndex = -1
  if (!drawn) return token
  const p = Math.exp(drawn.logprob)
  token.textContent = readable(drawn.text)
  // Set through the object model, which the policy allows; a style attribute it would not.
  token.style.setProperty('--p', String(p))
  token.setAttribute('aria-label', `${spoken(drawn.text)}, ${percent(p)}`)
  const show = () => showOdds(token, drawn, likeliest)
  token.addEventListener('pointerenter', show)
  token.addEventListener('focus', show)
  return token
}

function showOdds(
  token: HTMLElement,
  drawn: TokenLogprob,
  likeliest: readonly TokenLogprob[],
): void {
  for (const one of document.querySelectorAll('.token[data-shown]'))
    delete (one as HTMLElement).dataset.shown
  token.dataset.shown = ''
  const others = likeliest.some(one => one.token === drawn.token)
    ? likeliest
    : [...likeliest, drawn]
  byId('odds-list', HTMLElement).replaceChildren(
    ...others.map(({ token: id, text, logprob }) => {
      const row = document.createElement('li')
      const p = Math.exp(logprob)
      row.style.setProperty('--p', String(p))
      if (id === drawn.token) row.className = 'drawn'
      const name = document.createElement('code')
      name.textContent = readable(text)
      const value = document.createElement('span')
      value.textContent = percent(p)
      row.append(name, value)
      return row
    }),
  )
}

function walk(tokens: HTMLElement, event: KeyboardEvent): void {
  const all = [...tokens.querySelectorAll('button')]
  const at = all.indexOf(document.activeElement as HTMLButtonElement)
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key]
  const next = to === undefined ? undefined : all[to]
  if (at < 0 || !next) return
  event.preventDefault()
  for (const one of all) one.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}

/** Line ends as signs; a space stays one. */
function readable(text: string): string {
  return text.replaceAll('\n', '↵')
}

function spoken(text: string): string {
  if (text.trim() !== '') return text.trim()
  return text.includes('\n') ? 'line end' : 'space'
}

function percent(p: number): string {
  if (p >= 0.9995) return '100 %'
  return p < 0.0005 ? 'below 0.1 %' : `${(100 * p).toFixed(1)} %`
}
