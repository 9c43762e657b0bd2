// `fetch('/v1/...')` of every page of an origin, answered by the engine of a tab: the file `service-worker.js` of the
// package, for the script of a service worker (answerFromTabs) and for pages (register, provide).
export { type AnswerOptions, answerFromTabs } from './answer.ts'
export { type EngineOpener, type EngineSource, provide } from './provide.ts'
export { type Registered, register } from './register.ts'
