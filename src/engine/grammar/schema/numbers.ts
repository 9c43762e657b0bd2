// Sets of numbers as automata over their decimal digits: bounds, multiples, single values. Every set
// holds all spellings of a value (1, 1.0, 1.00) or none, so that sets can be intersected and negated;
// there is no minus zero and no exponent, which only numbers without demands may have. Decimal bounds
// are exact: a double's bound is its shortest decimal, and exclusive ones step to the next double.

import { type CharSet, classify } from '../automata/charset.ts'
import { ANYTHING, combine, type Dfa, TableBuilder, tidy } from '../automata/dfa.ts'
import { regexDfa } from '../automata/regex.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'

const FRACTION = '(?:\\.\\d+)?'
/** Every number in decimals. */
const DECIMALS = `(?:0|[1-9]\\d*)${FRACTION}|-[1-9]\\d*${FRACTION}|-0\\.0*[1-9]\\d*`
/**
 * As RFC 8259 spells numbers, as long as they are finite doubles: more digits or a larger exponent would
 * be read as infinity.
 */
const WRITTEN =
  `-?(?:0|[1-9]\\d{0,299})${FRACTION}` +
  `|-?(?:0|[1-9]\\d{0,7})${FRACTION}[eE](?:\\+?0{0,3}(?:\\d|[1-9]\\d|[12]\\d\\d)|-0{0,3}\\d{1,3})` +
  `|-?[1-9]${FRACTION}[eE]\\+?30[0-7]`
const PLAIN_INTEGERS = '-?(?:0|[1-9]\\d*)'

const kept = new Map<string, Dfa>()

/** An automaton that many schemas need. */
function* fixed(pattern: string, budget: Budget): Work<Dfa> {
  let dfa = kept.get(pattern)
  if (dfa === undefined) {
    dfa = yield* regexDfa(pattern, { mode: 'whole', lookahead: false }, budget)
    kept.set(pattern, dfa)
  }
  return dfa
}

/** Stands for every number; combined with others it gives way. */
export const ANY_NUMBER = ANYTHING

/** All numbers but those of the set. */
export function* otherNumbers(dfa: Dfa, budget: Budget): Work<Dfa> {
  return yield* combine(yield* fixed(DECIMALS, budget), dfa, 'minus', budget)
}

/** A double without exponent: sign, digits before and after the point. */
export function decimal(value: number): { negative: boolean; whole: string; fraction: string } {
  const [mantissa, exponent = '0'] = String(Math.abs(value)).split('e')
  const [whole, fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const before = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  const after = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits
  return {
    negative: value < 0,
    whole: before.replace(/^0+(?=\d)/, ''),
    fraction: after.replace(/0+$/, ''),
  }
}

/** The pattern of decimals without sign that are >= the digits. */
function atLeast(whole: string, fraction: string): string {
  const found = [`[1-9]\\d{${whole.length},}${FRACTION}`]
  for (let i = 0; i < whole.length; i++) {
    const digit = Number(whole[i])
    if (digit === 9) continue
    const rest = whole.length - i - 1
    found.push(`${whole.slice(0, i)}[${digit + 1}-9]\\d{${rest}}${FRACTION}`)
  }
  if (fraction === '') found.push(whole + FRACTION)
  else {
    for (let j = 0; j < fraction.length; j++) {
      const digit = Number(fraction[j])
      if (digit < 9) found.push(`${whole}\\.${fraction.slice(0, j)}[${digit + 1}-9]\\d*`)
    }
    found.push(`${whole}\\.${fraction}\\d*`)
  }
  return `(?:${found.join('|')})`
}

/** The pattern of decimals without sign that are <= the digits. */
function atMost(whole: string, fraction: string): string {
  const found: string[] = []
  if (whole.length > 1) found.push(`0${FRACTION}`, `[1-9]\\d{0,${whole.length - 2}}${FRACTION}`)
  for (let i = 0; i < whole.length; i++) {
    const digit = Number(whole[i])
    const least = i === 0 && whole.length > 1 ? 1 : 0
    if (digit <= least) continue
    const rest = whole.length - i - 1
    found.push(`${whole.slice(0, i)}[${least}-${digit - 1}]\\d{${rest}}${FRACTION}`)
  }
  found.push(whole)
  if (fraction === '') found.push(`${whole}\\.0+`)
  for (let j = 0; j < fraction.length; j++) {
    const digit = Number(fraction[j])
    if (digit > 0) found.push(`${whole}\\.${fraction.slice(0, j)}[0-${digit - 1}]\\d*`)
    if (j > 0) found.push(`${whole}\\.${fraction.slice(0, j)}`)
  }
  if (fraction !== '') found.push(`${whole}\\.${fraction}0*`)
  return `(?:${found.join('|')})`
}

const ANY_WITHOUT_SIGN = `(?:0|[1-9]\\d*)${FRACTION}`

/** Numbers from low to high, both included; infinite ones are no bounds. */
export function* between(low: number, high: number, budget: Budget): Work<Dfa> {
  let dfa = yield* fixed(DECIMALS, budget)
  const patterns: string[] = []
  if (low > Number.NEGATIVE_INFINITY) {
    const { whole, fraction } = decimal(low)
    patterns.push(
      low >= 0 ? atLeast(whole, fraction) : `${ANY_WITHOUT_SIGN}|-${atMost(whole, fraction)}`,
    )
  }
  if (high < Number.POSITIVE_INFINITY) {
    const { whole, fraction } = decimal(high)
    patterns.push(
      high < 0 ? `-${atLeast(whole, fraction)}` : `${atMost(whole, fraction)}|-${ANY_WITHOUT_SIGN}`,
    )
  }
  for (const pattern of patterns) {
    const bound = yield* regexDfa(pattern, { mode: 'whole', lookahead: false }, budget)
    dfa = yield* combine(dfa, bound, 'and', budget)
  }
  return dfa
}

/**
 * The least number above 0 that is written: doubles from 1e-7 on have at most 24 places as decimals, and
 * every place costs states.
 */
const LEAST = 1e-24

/** The next double above; LEAST above 0. */
export function nextUp(value: number): number {
  if (value === 0) return LEAST
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n))
  return view.getFloat64(0)
}

/** The next double below; -LEAST below 0. */
export function nextDown(value: number): number {
  return -nextUp(-value)
}

/** Exactly these numbers. */
export function* oneOfNumbers(values: readonly number[], budget: Budget): Work<Dfa> {
  const pattern = values.map(value => {
    const { negative, whole, fraction } = decimal(value)
    return `${negative ? '-' : ''}${whole}${fraction === '' ? '(?:\\.0+)?' : `\\.${fraction}0*`}`
  })
  return yield* regexDfa(pattern.join('|'), { mode: 'whole', lookahead: false }, budget)
}

const MAX_REMAINDERS = 50_000

/**
 * Multiples of a number, as decimals: 0.3 is a multiple of 0.1.
 * @throws GrammarFault (unsupported) where too many remainders have to be told apart
 */
export function* multiplesOf(step: number, budget: Budget): Work<Dfa> {
  if (step !== 1) return yield* remainders(step, budget)
  integers ??= yield* remainders(1, budget)
  return integers
}

let integers: Dfa | undefined

function* remainders(step: number, budget: Budget): Work<Dfa> {
  const { whole, fraction } = decimal(step)
  const places = fraction.length
  const unit = Number(whole + fraction)
  if (unit * (places + 1) > MAX_REMAINDERS || !Number.isSafeInteger(unit)) {
    throw new GrammarFault(
      `${step} has too many digits to be enforced; up to about ${MAX_REMAINDERS} in its last place are`,
      budget.place,
      'multipleOf',
      true,
    )
  }
  const chars = [...'0123456789.-']
  const { classes } = classify(chars.map((c): CharSet => [c.charCodeAt(0), c.charCodeAt(0)]))
  const builder = new TableBuilder(classes.count, budget)
  const column = (char: string) => classes.of(char.charCodeAt(0))
  // What is still missing after p places counts as zeros.
  const power = (p: number) => {
    let value = 1 % unit
    for (let i = 0; i < p; i++) value = (value * 10) % unit
    return value
  }
  const ids = new Map<string, number>()
  const todo: { remainder: number; place: number }[] = []
  // Place -1 is before the point; from `places` on only zeros follow.
  const idOf = (remainder: number, place: number): number => {
    if (place === places && remainder !== 0) return -1
    const key = `${remainder},${place}`
    let id = ids.get(key)
    if (id === undefined) {
      const left = places - Math.max(0, place)
      id = builder.add((remainder * power(left)) % unit === 0)
      ids.set(key, id)
      todo.push({ remainder, place })
    }
    return id
  }
  const start = builder.add(false)
  const sign = builder.add(false)
  builder.set(start, column('-'), sign)
  const first = 2
  for (let digit = 0; digit < 10; digit++) {
    const to = idOf(digit % unit, -1)
    builder.set(start, column(String(digit)), to)
    builder.set(sign, column(String(digit)), to)
  }
  for (let i = 0; i < todo.length; i++) {
    const { remainder, place } = todo[i]
    for (let digit = 0; digit < 10; digit++) {
      let to: number
      if (place === places) to = digit === 0 ? first + i : -1
      else to = idOf((remainder * 10 + digit) % unit, place < 0 ? -1 : place + 1)
      builder.set(first + i, column(String(digit)), to)
    }
    if (place < 0) builder.set(first + i, column('.'), idOf(remainder, 0))
    budget.spend(12)
    if ((i & 255) === 255) yield
  }
  const dfa = yield* tidy(builder.finish(classes), budget)
  return yield* combine(yield* fixed(DECIMALS, budget), dfa, 'and', budget)
}

const writtenForms = { coarse: new WeakMap<Dfa, Dfa>(), fine: new WeakMap<Dfa, Dfa>() }

/**
 * The automaton of what is written: whole numbers without a fraction, and no more digits than a double
 * can be read from. Bounds hold for the double that is read, too, as reading keeps the order.
 * @param fine  multiples and opposites do not: at most 15 digits, which every double keeps
 */
export function* written(dfa: Dfa, fine: boolean, budget: Budget): Work<Dfa> {
  if (dfa === ANY_NUMBER) return yield* fixed(WRITTEN, budget)
  const forms = fine ? writtenForms.fine : writtenForms.coarse
  let made = forms.get(dfa)
  if (made === undefined) {
    made = yield* write(dfa, fine, budget)
    forms.set(dfa, made)
  }
  return made
}

/** At most 15 digits before and after the point. */
const FINE = Array.from({ length: 15 }, (_, more) => {
  const whole = more === 0 ? '\\d' : `[1-9]\\d{${more}}`
  return `-?${whole}${more < 14 ? `(?:\\.\\d{1,${14 - more}})?` : ''}`
}).join('|')

function* write(dfa: Dfa, fine: boolean, budget: Budget): Work<Dfa> {
  const plain = yield* fixed(PLAIN_INTEGERS, budget)
  const whole = yield* multiplesOf(1, budget)
  const fractions = yield* combine(dfa, whole, 'minus', budget)
  const digits = dfa.states > 100 ? 40 : 300
  const limit = fine ? FINE : `-?(?:0|[1-9]\\d{0,${digits - 1}})${FRACTION}`
  const finite = yield* combine(dfa, yield* fixed(limit, budget), 'and', budget)
  return fractions.empty ? yield* combine(finite, plain, 'and', budget) : finite
}

/** One spelling a value: no zeros at the end of a fraction. */
export function* oneSpelling(dfa: Dfa, budget: Budget): Work<Dfa> {
  const decimals = yield* combine(dfa, yield* fixed(DECIMALS, budget), 'and', budget)
  const short = yield* fixed('-?(?:0|[1-9]\\d*)(?:\\.\\d*[1-9])?', budget)
  return yield* combine(decimals, short, 'and', budget)
}
