// A worker is told when its page is hidden: at the start where it is so already, and with every change until it ends.
import { afterEach, expect, test, vi } from 'vitest'
import { watchPage } from '../../../src/api/link/page-sight.ts'
import { PageView } from '../../../src/engine/load/page-view.ts'

afterEach(() => void vi.unstubAllGlobals())

function page(visibilityState: 'hidden' | 'visible') {
  const document = Object.assign(new EventTarget(), { visibilityState: visibilityState as string })
  vi.stubGlobal('document', document)
  return (state: 'hidden' | 'visible') => {
    document.visibilityState = state
    document.dispatchEvent(new Event('visibilitychange'))
  }
}

test('a page in sight tells nothing until it changes, and nothing after its end', () => {
  const told: boolean[] = []
  const change = page('visible')
  const end = watchPage(hidden => told.push(hidden))
  expect(told).toEqual([])
  change('hidden')
  change('visible')
  end()
  change('hidden')
  expect(told).toEqual([true, false])
})

test('a page that is hidden says so at once; where there is no page, nobody does', () => {
  const told: boolean[] = []
  page('hidden')
  watchPage(hidden => told.push(hidden))()
  expect(told).toEqual([true])
  vi.unstubAllGlobals()
  watchPage(hidden => told.push(hidden))()
  expect(told).toEqual([true])
})

test('what was measured counts only where the page was in sight all the time', () => {
  const view = new PageView()
  const whole = view.watch()
  expect(whole()).toBe(true)
  view.set(false) // no change
  expect(whole()).toBe(true)
  view.set(true)
  const hidden = view.watch()
  expect([whole(), hidden()]).toEqual([false, false])
  view.set(false)
  expect([whole(), hidden(), view.watch()()]).toEqual([false, false, true])
})
