// Public options, events and statistics. Everything here survives structured cloning (the worker
// boundary), except the AbortSignal and the callbacks, which src/api keeps on the page's side.

export type * from './chat.ts'
export type * from './embed.ts'
export type * from './generate.ts'
export type * from './load.ts'
export type * from './score.ts'
export type * from './stats.ts'
export type * from './store.ts'
export type * from './tools.ts'
