// datetime.now().strftime() as Python does it with the C library's own locale. A naive time: %z and %Z are
// empty.
import { refuse } from './faults.ts'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** A number with its usual width and padding, or a text. */
type Part = string | readonly [value: number, width: number, pad: '0' | ' ']

const COMBINED: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
}

/** @throws TemplateFault for a code that is not known here */
export function strftime(format: string, time: Date): string {
  return format.replace(
    /%([-_0^#]*)(\d*)([EO]?)(.?)/gsu,
    (whole: string, flags: string, width: string, modifier: string, code: string) => {
      if (code === '') throw refuse('a strftime format that ends in %')
      if (code === '%' && whole === '%%') return '%'
      if (width !== '' || modifier !== '' || flags.length > 1 || flags === '#') {
        throw refuse(`the strftime code ${whole}`)
      }
      const combined = Object.hasOwn(COMBINED, code) ? COMBINED[code] : undefined
      if (combined !== undefined) {
        if (flags !== '' && flags !== '^') throw refuse(`the strftime code ${whole}`)
        const text = strftime(combined, time)
        return flags === '^' ? text.toUpperCase() : text
      }
      return written(partOf(code, time, whole), flags, whole)
    },
  )
}

function written(part: Part, flags: string, whole: string): string {
  if (typeof part === 'string') {
    if (flags === '^') return part.toUpperCase()
    if (flags !== '') throw refuse(`the strftime code ${whole}`)
    return part
  }
  const [value, width, pad] = part
  if (flags === '-') return String(value)
  const fill = flags === '_' ? ' ' : flags === '0' ? '0' : pad
  return String(value).padStart(width, fill)
}

function partOf(code: string, time: Date, whole: string): Part {
  const [day, weekday] = [time.getDate(), time.getDay()]
  const [month, year, hour] = [time.getMonth(), time.getFullYear(), time.getHours()]
  const two = (value: number): Part => [value, 2, '0']
  switch (code) {
    case 'a':
      return DAYS[weekday].slice(0, 3)
    case 'A':
      return DAYS[weekday]
    case 'b':
    case 'h':
      return MONTHS[month].slice(0, 3)
    case 'B':
      return MONTHS[month]
    case 'C':
      return two(Math.floor(year / 100))
    case 'd':
      return two(day)
    case 'e':
      return [day, 2, ' ']
    case 'f':
      return String(time.getMilliseconds() * 1000).padStart(6, '0')
    case 'g':
      return two(isoWeek(time).year % 100)
    case 'G':
      return [isoWeek(time).year, 4, '0']
    case 'H':
      return two(hour)
    case 'I':
      return two(hour % 12 || 12)
    case 'j':
      return [dayOfYear(time) + 1, 3, '0']
    case 'k':
      return [hour, 2, ' ']
    case 'l':
      return [hour % 12 || 12, 2, ' ']
    case 'm':
      return two(month + 1)
    case 'M':
      return two(time.getMinutes())
    case 'n':
      return '\n'
    case 'p':
      return hour < 12 ? 'AM' : 'PM'
    case 'P':
      return hour < 12 ? 'am' : 'pm'
    case 's':
      return String(Math.floor(time.getTime() / 1000))
    case 'S':
      return two(time.getSeconds())
    case 't':
      return '\t'
    case 'u':
      return [weekday || 7, 1, '0']
    case 'U':
      return two(Math.floor((dayOfYear(time) + 7 - weekday) / 7))
    case 'V':
      return two(isoWeek(time).week)
    case 'w':
      return [weekday, 1, '0']
    case 'W':
      return two(Math.floor((dayOfYear(time) + 7 - ((weekday + 6) % 7)) / 7))
    case 'y':
      return two(year % 100)
    case 'Y':
      return [year, 4, '0']
    case 'z':
    case 'Z':
      return ''
    default:
      throw refuse(`the strftime code ${whole}`)
  }
}

/** From 0; by the calendar, so that a change of clocks does not matter. */
function dayOfYear(time: Date): number {
  const midnight = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate())
  return Math.round((midnight - Date.UTC(time.getFullYear(), 0, 1)) / 86_400_000)
}

/** Weeks begin on Monday; the first one has the year's first Thursday. */
function isoWeek(time: Date): { year: number; week: number } {
  const weekday = (time.getDay() + 6) % 7
  const thursday = new Date(
    Date.UTC(time.getFullYear(), time.getMonth(), time.getDate() - weekday + 3),
  )
  const year = thursday.getUTCFullYear()
  const days = Math.round((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000)
  return { year, week: Math.floor(days / 7) + 1 }
}
