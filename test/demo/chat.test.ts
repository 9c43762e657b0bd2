// The conversation of the chat page as data: branches and paths, and files that come from anywhere.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addTurn,
  branchesOf,
  type Conversation,
  choose,
  dropTurn,
  merge,
  messagesOf,
  newConversation,
  pathOf,
  titleOf,
} from '../../demo/chat/conversation.ts'
import { exportText, importConversation } from '../../demo/chat/transfer.ts'

const texts = (conversation: Conversation) => pathOf(conversation).map(turn => turn.text)

function twoBranches() {
  const chat = newConversation(' Be brief. ')
  const hello = addTurn(chat, { parent: '', role: 'user', text: 'Hello' })
  const hi = addTurn(chat, { parent: hello.id, role: 'assistant', text: 'Hi', end: 'eos' })
  const bye = addTurn(chat, { parent: hi.id, role: 'user', text: 'Bye' })
  const edited = addTurn(chat, { parent: '', role: 'user', text: 'Hello there' })
  return { chat, hello, hi, bye, edited }
}

describe('a conversation', () => {
  test('keeps what was said before an edit, and goes back to it', () => {
    const { chat, hello, edited } = twoBranches()
    expect(texts(chat)).toEqual(['Hello there'])
    expect(branchesOf(chat, edited)).toEqual([hello, edited])
    choose(chat, hello)
    expect(texts(chat)).toEqual(['Hello', 'Hi', 'Bye'])
  })

  test('a second answer stands beside the first; one of which nothing came leaves no trace', () => {
    const { chat, hello, hi } = twoBranches()
    choose(chat, hello)
    const again = addTurn(chat, { parent: hello.id, role: 'assistant', text: '' })
    expect(texts(chat)).toEqual(['Hello', ''])
    dropTurn(chat, again)
    expect(branchesOf(chat, hi)).toEqual([hi])
    expect(texts(chat)).toEqual(['Hello', 'Hi', 'Bye'])
  })

  test('is sent with its system prompt, and called as it begins', () => {
    const { chat } = twoBranches()
    expect(messagesOf(chat, pathOf(chat))).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello there' },
    ])
    expect(titleOf(chat)).toBe('Hello there')
    expect(titleOf(newConversation(''))).toBe('New conversation')
  })
})

describe('two tabs in one conversation', () => {
  const copy = (chat: Conversation): Conversation => structuredClone(chat)

  test('keep the turns of both, each on its own path', () => {
    const { chat, bye } = twoBranches()
    choose(chat, chat.turns[0]!)
    const other = copy(chat)
    const mine = addTurn(chat, { parent: bye.id, role: 'assistant', text: 'See you' })
    const theirs = addTurn(other, { parent: bye.id, role: 'assistant', text: 'Farewell' })
    addTurn(other, { parent: theirs.id, role: 'user', text: 'Wait' })
    expect(merge(chat, other)).toBe(true)
    expect(texts(chat)).toEqual(['Hello', 'Hi', 'Bye', 'See you'])
    expect(branchesOf(chat, mine)).toHaveLength(2)
    choose(chat, theirs)
    expect(texts(chat)).toEqual(['Hello', 'Hi', 'Bye', 'Farewell', 'Wait'])
    expect(merge(chat, other)).toBe(false)
  })

  test('follow each other where only one goes on, and an answer that grows', () => {
    const { chat, edited } = twoBranches()
    const other = copy(chat)
    const answer = addTurn(other, { parent: edited.id, role: 'assistant', text: 'Good' })
    merge(chat, other)
    expect(texts(chat)).toEqual(['Hello there', 'Good'])
    const here = chat.turns.at(-1)!
    answer.text += ' morning'
    answer.end = 'eos'
    expect(merge(chat, copy(other))).toBe(true)
    expect(here).toMatchObject({ text: 'Good morning', end: 'eos' })
    // What is behind takes nothing back.
    answer.text = 'Good'
    expect(merge(chat, other)).toBe(false)
    expect(here.text).toBe('Good morning')
  })

  test('bring nothing back of which nothing came, and keep the later system prompt', () => {
    const { chat, edited } = twoBranches()
    const other = copy(chat)
    addTurn(other, { parent: edited.id, role: 'assistant', text: '' })
    expect(merge(chat, other)).toBe(false)
    Object.assign(other, { system: 'Be long.', systemMs: 2 })
    chat.systemMs = 1
    expect(merge(chat, other)).toBe(true)
    expect(chat.system).toBe('Be long.')
    Object.assign(other, { system: 'Old', systemMs: 1 })
    expect(merge(chat, other)).toBe(false)
  })

  test('whatever two tabs did, both have all turns after telling each other', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(), fc.string()), { maxLength: 30 })
    fc.assert(
      fc.property(steps, list => {
        const tabs = [twoBranches().chat]
        tabs.push(copy(tabs[0]!))
        for (const [first, at, text] of list) {
          const tab = tabs[first ? 0 : 1]!
          const parent = tab.turns[at % tab.turns.length]!
          const role = parent.role === 'user' ? 'assistant' : 'user'
          addTurn(tab, { parent: parent.id, role, text: `${text}.` })
        }
        merge(tabs[0]!, copy(tabs[1]!))
        merge(tabs[1]!, copy(tabs[0]!))
        const ids = tabs.map(tab => tab.turns.map(turn => turn.id).toSorted())
        expect(ids[0]).toEqual(ids[1])
        expect(ids[0]).toHaveLength(4 + list.length)
        for (const tab of tabs) {
          const seen = new Set([''])
          for (const turn of tab.turns) {
            expect(seen.has(turn.parent)).toBe(true)
            seen.add(turn.id)
          }
        }
      }),
    )
  })
})

describe('a file', () => {
  test('holds all branches, and comes back under another id', () => {
    const { chat, hello } = twoBranches()
    choose(chat, hello)
    const back = importConversation(exportText(chat))
    expect(back).toMatchObject({ system: chat.system, turns: chat.turns, chosen: chat.chosen })
    expect(back.id).not.toBe(chat.id)
  })

  const file = (turns: unknown) =>
    JSON.stringify({ format: 'ryzanstein-conversation', version: 1, turns })
  const user = { id: 'a', parent: '', role: 'user', text: 'x' }

  test.each([
    ['no JSON', 'hello', 'is no JSON'],
    ['another JSON', '{"turns": []}', 'no conversation that was exported here'],
    ['without turns', file({}), 'no list of at most'],
    ['an answer to nothing', file([{ ...user, role: 'assistant' }]), 'turn 1'],
    ['a turn that hangs on itself', file([{ ...user, parent: 'a' }]), 'turn 1'],
    ['an id twice', file([user, user]), 'turn 2'],
    ['two questions in a row', file([user, { ...user, id: 'b', parent: 'a' }]), 'turn 2'],
    ['a text that is none', file([{ ...user, text: 7 }]), 'turn 1'],
    ['a role that is none', file([{ ...user, role: 'system' }]), 'turn 1'],
    ['null', 'null', 'no conversation'],
  ])('%s is refused', (_, text, told) => {
    expect(() => importConversation(text)).toThrow(told)
  })

  test('of any content is refused or gives a path of alternating turns', () => {
    const ids = fc.constantFrom('', 'a', 'b', '__proto__', 'constructor')
    const turn = fc.record({
      id: ids,
      parent: ids,
      role: fc.constantFrom('user', 'assistant', 'tool'),
      text: fc.string(),
      end: fc.constantFrom(undefined, 'eos', 'nonsense'),
    })
    const chosen = fc.dictionary(ids, ids)
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 5 }), chosen, (turns, chosen) => {
        const data = { format: 'ryzanstein-conversation', version: 1, turns, chosen }
        let taken: Conversation
        try {
          taken = importConversation(JSON.stringify(data))
        } catch {
          return
        }
        const roles = pathOf(taken).map(({ role }) => role)
        expect(roles).toEqual(roles.map((_, i) => (i % 2 === 0 ? 'user' : 'assistant')))
        expect(Object.getPrototypeOf(taken.chosen)).toBe(Object.prototype)
      }),
    )
  })
})
