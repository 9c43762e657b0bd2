// The conversation of the chat page as data: branches and paths, and files that come from anywhere.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addTurn,
  branchesOf,
  type Conversation,
  choose,
  dropTurn,
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
