// A turn of the event loop: what was waiting is heard first, and nobody waits for ever.
import { describe, expect, it } from 'vitest'
import { channelTurn, createTurn, immediateTurn } from '../../../src/engine/schedule/turn.ts'

describe.each([
  ['over a channel, as in browsers', channelTurn],
  ['over setImmediate, as in Node', immediateTurn],
])('%s', (_, make) => {
  it('never comes within the call', async () => {
    const turn = make()
    const heard: string[] = []
    await new Promise<void>(resolve => {
      turn.next(() => {
        heard.push('turn')
        resolve()
      })
      heard.push('asked')
    })
    expect(heard).toEqual(['asked', 'turn'])
    turn.close()
  })

  it('lets other messages and timers be heard', async () => {
    const turn = make()
    const { port1, port2 } = new MessageChannel()
    const heard = new Set<string>()
    port1.onmessage = () => heard.add('message')
    port2.postMessage(0)
    setTimeout(() => heard.add('timer'), 0)
    // A browser gives each message a task of its own; over a channel, Node takes up to 1000 of one port at once.
    for (let i = 0; i < 3000 && heard.size < 2; i++) {
      await new Promise<void>(resolve => turn.next(resolve))
    }
    expect([...heard].sort()).toEqual(['message', 'timer'])
    turn.close()
    port1.close()
  })

  it('can be asked for again from within', async () => {
    const turn = make()
    let turns = 0
    await new Promise<void>(resolve => {
      const again = () => (++turns < 5 ? turn.next(again) : resolve())
      turn.next(again)
    })
    expect(turns).toBe(5)
    turn.close()
  })

  it('is given at once when it closes, and once', async () => {
    const turn = make()
    let turns = 0
    turn.next(() => turns++)
    turn.close()
    turn.close()
    expect(turns).toBe(1)
    await new Promise(resolve => setTimeout(resolve, 5))
    expect(turns).toBe(1)
  })
})

it('hears a message that waits within a few turns in Node', async () => {
  const turn = createTurn()
  const { port1, port2 } = new MessageChannel()
  let heard = false
  port1.onmessage = () => {
    heard = true
  }
  port2.postMessage(0)
  for (let i = 0; i < 20 && !heard; i++) await new Promise<void>(resolve => turn.next(resolve))
  expect(heard).toBe(true)
  turn.close()
  port1.close()
})
