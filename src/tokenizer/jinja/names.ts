// Every filter and test that Jinja has: a name beyond these is an error where Jinja compiles it. What each
// does is in filters-*.ts and tests.ts; the few without an entry there are refused when they are used.

export const FILTER_NAMES: ReadonlySet<string> = new Set(
  (
    'abs attr batch capitalize center count d default dictsort e escape filesizeformat first float ' +
    'forceescape format groupby indent int items join last length list lower map max min pprint random ' +
    'reject rejectattr replace reverse round safe select selectattr slice sort string striptags sum title ' +
    'tojson trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr'
  ).split(' '),
)

export const TEST_NAMES: ReadonlySet<string> = new Set(
  (
    'odd even divisibleby defined undefined filter test none boolean false true integer float lower upper ' +
    'string mapping number sequence iterable callable sameas escaped in == eq equalto != ne > gt ' +
    'greaterthan ge >= < lt lessthan <= le'
  ).split(' '),
)
