// The figures of the report that this project answers (Ryzanstein LLM, December 2025: native C++ on a
// laptop of the Ryzen 7 7730U class, 8 cores, 16 GB, Windows 11), kept as claimed although some of them
// contradict each other (0.42 tok/s beside 158 ms a token).

export const BATCH = [
  { batch: 1, tokS: '0.42', mb: '380' },
  { batch: 2, tokS: '0.38', mb: '420' },
  { batch: 4, tokS: '0.31', mb: '465' },
  { batch: 8, tokS: 'out of memory', mb: '' },
] as const

export const CONTEXT = [
  { tokens: 128, tokS: 0.48, mb: 320, msPerToken: 130 },
  { tokens: 256, tokS: 0.44, mb: 360, msPerToken: 145 },
  { tokens: 512, tokS: 0.42, mb: 420, msPerToken: 158 },
  { tokens: 1024, tokS: 0.38, mb: 480, msPerToken: 185 },
  { tokens: 2048, tokS: 0.31, mb: 495, msPerToken: 250 },
] as const

/** One token, ms; `ours` are the operations that answer each line. */
export const LATENCY = [
  { part: 'embedding lookup', ms: 5.2, ours: ['embed'] },
  { part: 'attention (12 heads)', ms: 95.4, ours: ['qkv', 'attend', 'o'] },
  { part: 'FFN', ms: 42.8, ours: ['gate_up', 'gate', 'down'] },
  { part: 'quantise, dequantise', ms: 8.6, ours: [] },
  { part: 'output projection', ms: 6.2, ours: ['logits', 'read'] },
] as const
export const LATENCY_TOTAL = 158.2

export const SUSTAINED = [
  { tokens: '0-10k', tokS: 0.42, mb: 420 },
  { tokens: '10-50k', tokS: 0.419, mb: 421 },
  { tokens: '50-100k', tokS: 0.418, mb: 420 },
  { tokens: '100-500k', tokS: 0.417, mb: 422 },
] as const

export const REQUESTS = [
  { requests: 1, queueMs: '0', processMs: '2,380', mb: '420' },
  { requests: 2, queueMs: '1,200', processMs: '2,400', mb: '465' },
  { requests: 3, queueMs: '2,400', processMs: '2,420', mb: '480' },
  { requests: 4, queueMs: 'out of memory', processMs: '', mb: '' },
  { requests: 8, queueMs: 'out of memory', processMs: '', mb: '' },
] as const

export const KV_512 = [
  { name: 'naive', mb: 120, lines: '78', ms: '230' },
  { name: 'optimised', mb: 60, lines: '', ms: '' },
  { name: 'compacted (-73 %)', mb: 32, lines: '42', ms: '157' },
] as const

export const TASKS = [
  ['question answering, 50 tokens', '2.5 s, 420 MB, 95.8 % of the full model, 99.8 % success'],
  ['code completion, 20 tokens', '1.1 s, 380 MB, first token 450 ms, exact match 78.2 %'],
  ['summarisation, 100 tokens', '4.2 s, 440 MB, quality 82.1 %, stability 99.9 %'],
] as const

export const BENCHMARKS = [
  ['MMLU, 5-shot', '42.1 / 45.8'],
  ['HellaSwag', '78.2 / 81.4'],
  ['ARC Challenge', '53.1 / 55.8'],
  ['CommonSense', '68.9 / 71.2'],
  ['average', '60.6 / 63.5'],
] as const

export const ERRORS = [
  ['invalid input', 'caught and reported'],
  ['out of memory', 'graceful shutdown'],
  ['corrupt cache', 'recovered'],
  ['quantisation error', 'falls back to FP32'],
  ['overload', 'queue back-pressure'],
] as const
