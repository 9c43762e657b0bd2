// The formats of JSON Schema 2020-12 as patterns of the whole string. `exact` where the pattern is all
// of the format and not only what people write of it: only then can its opposite be enforced.
const DIGITS_OF_DAY =
  '(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))' +
  '|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)'
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)'
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
/** Without the limit of 63, which costs a state a letter. */
const DOMAIN = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`\\{\\|\\}~\\-]+"
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`
const H16 = '[0-9A-Fa-f]{1,4}'
const LS32 = `(?:${H16}:${H16}|${IPV4})`
const IPV6 = [
  `(?:${H16}:){6}${LS32}`,
  `::(?:${H16}:){5}${LS32}`,
  `(?:${H16})?::(?:${H16}:){4}${LS32}`,
  `(?:(?:${H16}:){0,1}${H16})?::(?:${H16}:){3}${LS32}`,
  `(?:(?:${H16}:){0,2}${H16})?::(?:${H16}:){2}${LS32}`,
  `(?:(?:${H16}:){0,3}${H16})?::${H16}:${LS32}`,
  `(?:(?:${H16}:){0,4}${H16})?::${LS32}`,
  `(?:(?:${H16}:){0,5}${H16})?::${H16}`,
  `(?:(?:${H16}:){0,6}${H16})?::`,
].join('|')
const CLOCK = '(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)'
const DURATION = `P(?:\\d+W|T${CLOCK}|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:T${CLOCK})?)`

/** RFC 3986, with more characters for RFC 3987. */
function uriParts(more: string) {
  const free = `A-Za-z0-9\\-._~${more}`
  const encoded = '%[0-9A-Fa-f]{2}'
  const pchar = `(?:[${free}!$&'\\(\\)*+,;=:@]|${encoded})`
  const authority =
    `(?:(?:[${free}!$&'\\(\\)*+,;=:]|${encoded})*@)?` +
    `(?:\\[(?:${IPV6})\\]|(?:[${free}!$&'\\(\\)*+,;=]|${encoded})*)(?::\\d*)?`
  const tail = `(?:\\?(?:${pchar}|[/?])*)?(?:#(?:${pchar}|[/?])*)?`
  const absolute = `/(?:${pchar}+(?:/${pchar}*)*)?`
  const hier = `(?://${authority}(?:/${pchar}*)*|${absolute}|${pchar}+(?:/${pchar}*)*)`
  const noColon = `(?:[${free}!$&'\\(\\)*+,;=@]|${encoded})+(?:/${pchar}*)*`
  return {
    full: `[A-Za-z][A-Za-z0-9+\\-.]*:${hier}${tail}`,
    relative: `(?://${authority}(?:/${pchar}*)*|${absolute}|${noColon})?${tail}`,
  }
}

const UCS =
  '\\u{a0}-\\u{d7ff}\\u{f900}-\\u{fdcf}\\u{fdf0}-\\u{ffef}\\u{10000}-\\u{1fffd}\\u{20000}-\\u{2fffd}'
const POINTER = '(?:/(?:[^~/]|~[01])*)*'
const VARIABLE =
  '(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*(?::[1-9]\\d{0,3}|\\*)?'

interface Format {
  readonly pattern: string
  readonly exact?: boolean
  readonly max?: number
}

const uri = uriParts('')
const iri = uriParts(UCS)

export const FORMATS: ReadonlyMap<string, Format> = new Map<string, Format>([
  ['date', { pattern: DIGITS_OF_DAY, exact: true }],
  ['time', { pattern: TIME }],
  ['date-time', { pattern: `${DIGITS_OF_DAY}T${TIME}` }],
  ['duration', { pattern: DURATION }],
  ['email', { pattern: `${ATOM}(?:\\.${ATOM})*@${DOMAIN}(?:\\.${DOMAIN})+` }],
  ['hostname', { pattern: `${LABEL}(?:\\.${LABEL})*`, max: 253 }],
  ['ipv4', { pattern: IPV4, exact: true }],
  ['ipv6', { pattern: IPV6, exact: true }],
  ['uuid', { pattern: '[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}', exact: true }],
  ['uri', { pattern: uri.full }],
  ['uri-reference', { pattern: `${uri.full}|${uri.relative}` }],
  ['iri', { pattern: iri.full }],
  ['iri-reference', { pattern: `${iri.full}|${iri.relative}` }],
  [
    'uri-template',
    {
      pattern: `(?:[A-Za-z0-9\\-._~:/?#\\[\\]@!$&\\(\\)*+,;=]|%[0-9A-Fa-f]{2}|\\{[+#./;?&]?${VARIABLE}(?:,${VARIABLE})*\\})*`,
    },
  ],
  ['json-pointer', { pattern: POINTER, exact: true }],
  ['relative-json-pointer', { pattern: `(?:0|[1-9]\\d*)(?:#|${POINTER})`, exact: true }],
])

/** Formats of the standard that no automaton can check. */
export const HARD_FORMATS: ReadonlySet<string> = new Set(['regex', 'idn-email', 'idn-hostname'])
