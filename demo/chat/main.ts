// The chat page: loads the chat model, keeps the current conversation, and decides what buttons and keys may do.
// Data is conversation.ts, the request talk.ts, the look transcript.ts; models come as on the other pages.
import type { EngineStats } from 'ryzanstein'
import { byId, isOff, setOff } from '../src/dom.ts'
import { showPath } from '../src/figures.ts'
import { type ChosenModel, chatModel, onModelChosen } from '../src/model-chooser.ts'
import { Notice } from '../src/notice.ts'
import { Opening } from '../src/opening.ts'
import { Session } from '../src/session.ts'
import { openSite } from '../src/site.ts'
import { firstWordText, modelText, sentence } from '../src/wording.ts'
import { ChatSettings } from './chat-settings.ts'
import { ContextMeter } from './context-meter.ts'
import * as tree from './conversation.ts'
import { ConversationList } from './conversation-list.ts'
import { Shelf } from './shelf.ts'
import { Talk } from './talk.ts'
import { Transcript } from './transcript.ts'
import { exportText, importConversation } from './transfer.ts'

const THEN_ANSWERS = 'Then it answers.'

const session = new Session()
const notice = new Notice()
const shelf = new Shelf(news => hear(news))
const talk = new Talk(session, shelf)
const meter = new ContextMeter()
const say = byId('say', HTMLTextAreaElement)
const sendButton = byId('send', HTMLButtonElement)
const stopButton = byId('stop', HTMLButtonElement)
const status = byId('status', HTMLElement)

/** A turn that is written is kept this often, so that leaving the page loses little. */
const KEEP_MS = 1000

let current = tree.newConversation('')
/** The turn of the current conversation that is written, or waits for the model. */
let busy: tree.Turn | null = null
/** When an answer was asked for that waits for the model, in milliseconds since the page was opened; or 0. */
let awaitedMs = 0
/** Deleted here or in another tab, so that an answer which just ends does not bring them back. */
const deleted = new Set<string>()

const settings = new ChatSettings(text => {
  current.system = text
  current.systemMs = Date.now()
  if (current.turns.length > 0) keep(current)
  showContext()
})

const transcript = new Transcript({
  edit: (turn, text) => ask(text, turn.parent),
  answer: turn => answer(newAnswer(turn.id)),
  again: turn => answer(newAnswer(turn.parent)),
  goOn,
  turnTo(turn, step) {
    const branches = tree.branchesOf(current, turn)
    const next = branches[branches.indexOf(turn) + step]
    if (!next) return
    tree.choose(current, next)
    keep(current)
    show()
    transcript.focus(next, step < 0 ? 'previous' : 'next')
  },
  copy,
})

const list = new ConversationList({
  async remove(conversation) {
    deleted.add(conversation.id)
    if (conversation.id === current.id) location.hash = ''
    await shelf.remove(conversation)
    showList()
    list.offerUndo(conversation)
  },
  async bringBack(conversation) {
    deleted.delete(conversation.id)
    await shelf.keep(conversation)
    location.hash = conversation.id
    showList()
    say.focus()
  },
})

const opening = new Opening(
  {
    session,
    notice,
    options: () => ({}),
    afterwards: () => (busy === null ? undefined : THEN_ANSWERS),
    onOpened,
    onFailed() {
      // What waited for this model waits in vain.
      if (!session.isWriting) setIdle()
    },
  },
  chatModel(),
)

async function onOpened(model: ChosenModel, stats: EngineStats): Promise<void> {
  const name = stats.model.name || model.label
  byId('model-name', HTMLElement).textContent = model.isOurs ? model.label : name
  byId('model-facts', HTMLElement).textContent = modelText(stats)
  byId('plainly', HTMLElement).hidden = !model.isOurs
  showPath(stats, isolation)
  talk.begin(stats)
  const restored = await talk.prepare(current)
  if (!session.isWriting) showReady(restored)
  await showContext()
  if (busy && !session.isWriting && busy.end === undefined) await answer(busy)
}

/** @param restored  tokens of the conversation that a kept session brought back */
function showReady(restored: number): void {
  const known = restored > 0 ? ` ${restored} tokens of this chat need not be read again.` : ''
  status.textContent = `Ready.${known}`
}

/** A message, after `parent`, and the answer to it. */
async function ask(text: string, parent: string): Promise<void> {
  const turn = tree.addTurn(current, { parent, role: 'user', text })
  if (current.turns.length === 1) location.hash = current.id
  await answer(newAnswer(turn.id))
}

function newAnswer(parent: string): tree.Turn {
  const by = opening.chosen.label
  return tree.addTurn(current, { parent, role: 'assistant', text: '', by })
}

/** Writes a turn, or goes on with it; when the model is there. */
async function answer(turn: tree.Turn): Promise<void> {
  const conversation = current
  busy = turn
  setOff(sendButton, true)
  setOff(stopButton, false)
  notice.hide()
  keep(conversation)
  show()
  transcript.scrollToEnd()
  say.focus()
  if (!session.isOpen || session.isLoading) {
    status.textContent = THEN_ANSWERS
    awaitedMs ||= performance.now()
    if (!session.isLoading) await opening.open(opening.chosen)
    return
  }
  status.textContent = 'Answering…'
  // Not waited for: until the request begins, a model that has just opened would begin it too.
  showContext()
  meter.start()
  let keptMs = performance.now()
  let isFirst = true
  let failed: unknown
  try {
    await talk.answer(conversation, turn, settings.answer, tokens => {
      if (conversation === current) transcript.grow(turn)
      if (isFirst) showFirstWord()
      isFirst = false
      meter.add(tokens)
      if (performance.now() - keptMs < KEEP_MS) return
      keptMs = performance.now()
      keep(conversation)
    })
    if (conversation === current) {
      status.textContent = turn.end === 'stopped' ? 'Stopped.' : 'Answered.'
    }
    transcript.announce(`${turn.by}: ${turn.text}`)
    talk.save(conversation)
  } catch (caught) {
    failed = caught
  } finally {
    dropIfEmpty(conversation, turn)
    if (busy === turn) setIdle()
    await keep(conversation)
    await showContext()
  }
  if (failed === undefined) return
  const began = turn.text !== ''
  status.textContent = began ? 'The answer broke off.' : 'There is no answer.'
  // After the conversation has found its place, so that the notice is in view.
  notice.show(failed, () => answer(began ? turn : newAnswer(turn.parent)))
}

/** Of the first answer of a visit, where it was asked for before the model was there. */
function showFirstWord(): void {
  if (awaitedMs === 0) return
  const text = firstWordText(opening.arrival, awaitedMs, performance.now())
  byId('first-word', HTMLElement).textContent = text
  awaitedMs = 0
}

/** Nothing of the current conversation is written any more. */
function setIdle(): void {
  if (busy) dropIfEmpty(current, busy)
  busy = null
  setOff(sendButton, false)
  setOff(stopButton, true)
  show()
}

/** A turn of which nothing came leaves no trace. */
function dropIfEmpty(conversation: tree.Conversation, turn: tree.Turn): void {
  if (turn.text === '' && turn.end !== 'eos') tree.dropTurn(conversation, turn)
}

async function keep(conversation: tree.Conversation): Promise<void> {
  if (deleted.has(conversation.id)) return
  conversation.changedMs = Date.now()
  if ((await shelf.keep(conversation)) && conversation === current) show()
  showList()
}

function show(): void {
  transcript.show(current, busy)
  settings.showSystem(current.system)
  byId('export', HTMLButtonElement).hidden = current.turns.length === 0
  byId('title', HTMLElement).textContent =
    current.turns.length === 0 ? 'A chat in this tab' : tree.titleOf(current)
}

function showList(): void {
  list.show(shelf.all, current.id)
  byId('not-kept', HTMLElement).hidden = shelf.problem === undefined
  byId('not-kept', HTMLElement).textContent = shelf.problem
    ? `Conversations are lost with this page: ${sentence(shelf.problem)}`
    : ''
}

async function showContext(): Promise<void> {
  const of = current
  const use = await talk.use(of)
  if (of === current) meter.show(use)
}

/** Another tab kept or removed a conversation. */
async function hear(news: { kept: string } | { removed: string }): Promise<void> {
  if ('removed' in news) {
    // What is written here meanwhile would bring it back.
    deleted.add(news.removed)
    await shelf.open()
    if (current.id === news.removed) location.hash = ''
  } else {
    deleted.delete(news.kept)
    const changed = await shelf.open()
    if (changed.has(current.id)) {
      show()
      await showContext()
    }
  }
  showList()
}

/** Goes on with a turn, unless another tab is just doing so: its words and ours would have no order. */
async function goOn(turn: tree.Turn): Promise<void> {
  const write = async (lock: Lock | null): Promise<void> => {
    if (lock) return answer(turn)
    status.textContent = 'Another tab is going on with this answer.'
  }
  // Absent on plain http.
  if (!navigator.locks) return answer(turn)
  await navigator.locks.request(`ryzanstein-chat:${turn.id}`, { ifAvailable: true }, write)
}

/** The conversation that the address names, or a new one. */
async function openAddressed(): Promise<void> {
  const id = location.hash.slice(1)
  if (id === current.id || (id === '' && current.turns.length === 0)) return showList()
  session.stop()
  setIdle()
  const known = shelf.get(id)
  current = known ?? tree.newConversation('')
  const opened = current
  show()
  showList()
  // What was said of the other conversation, and how fast, is not true of this one.
  meter.start()
  if (session.isOpen && !session.isLoading) {
    const restored = await talk.prepare(opened)
    if (opened === current && busy === null) showReady(restored)
  }
  await showContext()
  if (known) transcript.scrollToEnd()
}

async function copy(text: string, what: string): Promise<void> {
  status.textContent = await navigator.clipboard.writeText(text).then(
    () => `${what} is copied.`,
    () => 'The browser does not let this page copy; mark the text and copy it by hand.',
  )
}

function send(): void {
  const text = say.value.trim()
  if (text === '') return
  if (isOff(sendButton)) {
    status.textContent = 'The answer is not finished; Escape stops it.'
    return
  }
  say.value = ''
  ask(text, tree.pathOf(current).at(-1)?.id ?? '')
}

/** Escape and Stop: what came last goes first. */
function takeBack(): void {
  if (opening.cancel()) return
  if (session.isWriting) session.stop()
  else notice.hide()
}

async function importFile(file: File): Promise<void> {
  try {
    const conversation = importConversation(await file.text())
    await shelf.keep(conversation)
    location.hash = conversation.id
  } catch (caught) {
    notice.show(caught, () => byId('import', HTMLInputElement).click(), 'Choose another file')
  }
}

function download(): void {
  const url = URL.createObjectURL(new Blob([exportText(current)], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${tree.titleOf(current).replace(/[^\p{L}\p{N}]+/gu, '-')}.json`
  link.click()
  // The download has begun when the click returns; the bytes may go a little later.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

function bind(): void {
  byId('composer', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    send()
  })
  say.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault()
      send()
    }
  })
  addEventListener('keydown', event => {
    if (event.key === 'Escape' && !event.isComposing) takeBack()
  })
  stopButton.addEventListener('click', () => {
    if (!isOff(stopButton)) takeBack()
  })
  addEventListener('hashchange', openAddressed)
  byId('new', HTMLButtonElement).addEventListener('click', () => {
    location.hash = ''
    say.focus()
  })
  byId('export', HTMLButtonElement).addEventListener('click', download)
  const picker = byId('import', HTMLInputElement)
  picker.addEventListener('change', () => {
    const file = picker.files?.[0]
    picker.value = ''
    if (file) importFile(file)
  })
  for (const starter of document.querySelectorAll<HTMLButtonElement>('#starters button')) {
    starter.addEventListener('click', () => {
      if (!isOff(sendButton)) ask(starter.textContent?.trim() ?? '', '')
    })
  }
}

bind()
onModelChosen(chatModel, model => opening.choose(model))
await shelf.open()
await openAddressed()
show()
showList()
status.textContent = 'Starting.'
const isolation = await openSite('../')
session.onEnded = stats => showPath(stats, isolation)
await opening.open(chatModel())
