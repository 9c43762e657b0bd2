// A turn of the event loop: what was waiting is heard first, and nobody waits for ever.
import { expect, it } from 'vitest'
import { createTurn } from '../../../src/engine/schedule/turn.ts'

it('never comes within the call', async () => {
  const turn = createTurn()
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
  const turn = createTurn()
  const { port1, port2 } = new MessageChannel()
  const heard = new Set<string>()
  port1.onmessage = () => heard.add('message')
  port2.postMessage(0)
  setTimeout(() => heard.add('timer'), 0)
  // A browser gives each message a task of its own; Node takes up to 1000 of one port at once.
  for (let i = 0; i < 3000 && heard.size < 2; i++) {
    await new Promise<void>(resolve => turn.next(resolve))
  }
  expect([...heard].sort()).toEqual(['message', 'timer'])
  turn.close()
  port1.close()
})

it('can be asked for again from within', async () => {
  const turn = createTurn()
  let turns = 0
  await new Promise<void>(resolve => {
    const again = () => (++turns < 5 ? turn.next(again) : resolve())
    turn.next(again)
  })
  expect(turns).toBe(5)
  turn.close()
})

it('is given at once when it closes, and once', async () => {
  const turn = createTurn()
  let turns = 0
  turn.next(() => turns++)
  turn.close()
  turn.close()
  expect(turns).toBe(1)
  await new Promise(resolve => setTimeout(resolve, 5))
  expect(turns).toBe(1)
})
