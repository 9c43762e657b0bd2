// The demo in the other two engines: load, stream, stop, reload, local file, chat, forms, and the same greedy text as
// everywhere; and the adapters that need a browser. Which path each engine takes is printed, for the record.
import { expect, test } from '@playwright/test'
import { bundle } from './adapters/bundle.ts'
import { MODEL_FILE } from './demo-page.ts'
import { type Driver, openFirefox, openWebKit } from './drivers.ts'
import { HOSTS } from './hosts.ts'

/** The greedy continuation of "Once upon a time" as far as the golden's gaps are clear. */
const GOLDEN = ' there lived a king who had three sons. One day the'

/** WebKitGTK does not start on every machine: where it does not, its run is skipped with the reason. */
const ENGINES = [
  { engine: 'Firefox ESR', open: openFirefox, optional: false },
  { engine: 'WebKitGTK', open: openWebKit, optional: true },
]

test('WebKitGTK, whose private sessions refuse Blobs in IndexedDB, keeps a model and a session', async () => {
  test.setTimeout(180_000)
  let driver: Driver
  try {
    driver = await openWebKit()
  } catch (caught) {
    return test.skip(true, `WebKitGTK does not start here: ${String(caught)}`)
  }
  try {
    await driver.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
    await expect.poll(() => driver.evaluate(`'ryzanstein' in globalThis`)).toBe(true)
    await driver.evaluate(`(async () => {
      window.found = []
      try {
        for (let i = 0; i < 2; i++) {
          const engine = await ryzanstein.load('/${MODEL_FILE}')
          window.found.push((await engine.stats()).cache.state)
          await engine.close()
        }
        await ryzanstein.sessions.save('a', new Blob(['abc']))
        window.found.push((await ryzanstein.sessions.load('a')).size)
      } catch (error) {
        window.found.push(String(error))
      }
    })() && 0`)
    const found = () => driver.evaluate<unknown[]>('window.found')
    await expect.poll(async () => (await found()).length, { timeout: 60_000 }).toBe(3)
    expect(await found()).toEqual(['cold', 'warm', 3])
  } finally {
    await driver.close()
  }
})

for (const { engine, open, optional } of ENGINES) {
  test.describe(engine, () => {
    test.describe.configure({ timeout: 180_000 })
    let driver: Driver
    test.beforeAll(async () => {
      try {
        driver = await open()
      } catch (caught) {
        if (!optional) throw caught
        test.skip(true, `${engine} does not start here: ${String(caught)}`)
      }
    })
    test.afterAll(async () => {
      await driver?.close()
    })

    test('loads, streams, stops, reloads and opens a local file', async () => {
      await driver.goto(HOSTS.isolated.url)
      await status(driver, /^Ready\.$/)
      console.log(`${driver.name}: ${await text(driver, '#path-summary')}`)

      await write(driver, 'Once upon a time', 24)
      await status(driver, /^Finished: /)
      expect(await text(driver, '#tale-text')).toContain(GOLDEN)

      await write(driver, 'The little rabbit', 512)
      await expect.poll(() => text(driver, '#tale-text').then(t => t.length)).toBeGreaterThan(20)
      await driver.evaluate(`document.querySelector('#stop').click()`)
      await status(driver, /stopped/i)

      await driver.goto(HOSTS.isolated.url)
      await status(driver, /^Ready\.$/)

      await driver.setFile('#model-files', MODEL_FILE)
      await expect.poll(() => hidden(driver, '#question'), { timeout: 30_000 }).toBe(false)
      await driver.evaluate(`document.querySelector('#question-load').click()`)
      await status(driver, /^Ready\.$/)
      await write(driver, 'Once upon a time', 24)
      await status(driver, /^Finished: /)
      expect(await text(driver, '#tale-text')).toContain(GOLDEN)
    })

    test('chats, and has the chat again after a reload; fills in a form', async () => {
      await driver.goto(`${HOSTS.isolated.url}chat/index.html`)
      await driver.evaluate(`localStorage.setItem('ryzanstein.chat', '{"temperature":0}')`)
      await driver.goto(`${HOSTS.isolated.url}chat/index.html?greedy`)
      await status(driver, /^Ready\./)
      await driver.evaluate(`document.querySelectorAll('#starters button')[1].click()`)
      await status(driver, /^Answered\.$/)
      expect(await text(driver, '.turn-assistant .said')).toContain('I am Ryz')
      const chat = await driver.evaluate<string>('location.hash')
      await driver.goto(`${HOSTS.isolated.url}chat/index.html?again${chat}`)
      await status(driver, /^Ready\./)
      expect(await text(driver, '.turn-assistant .said')).toContain('I am Ryz')

      await driver.goto(`${HOSTS.isolated.url}play/index.html`)
      await status(driver, /^Ready\.$/)
      await driver.evaluate(`document.querySelector('#form-run').click()`)
      const note = () => text(driver, '#form-note')
      await expect.poll(note, { timeout: 60_000 }).toMatch(/^Whole, and it meets the schema/)
    })

    test('a service worker answers from the tab', async () => {
      await bundle('service-worker')
      await driver.goto(`${HOSTS.library.url}e2e/fixtures/adapters/service-worker.html`)
      await expect.poll(() => driver.evaluate(`'tab' in globalThis`)).toBe(true)
      await driver.evaluate(`(async () => {
        window.found = []
        try {
          window.found.push(await tab.register('./sw.js'))
          await tab.offer('/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf')
          const stream = await tab.client.chat.completions.create({
            model: 'local', stream: true, max_tokens: 8, temperature: 0,
            messages: [{ role: 'user', content: 'Who are you?' }],
          })
          let text = ''
          for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
          window.found.push(text)
        } catch (error) {
          window.found.push(String(error), 'failed')
        }
      })() && 0`)
      const found = () => driver.evaluate<unknown[]>('window.found ?? []')
      await expect.poll(async () => (await found()).length, { timeout: 90_000 }).toBe(2)
      expect(await found()).toEqual([{ controlled: true }, expect.stringMatching(/^I am Ryz/)])
    })
  })
}

function text(driver: Driver, selector: string): Promise<string> {
  return driver.evaluate(`document.querySelector('${selector}').textContent`)
}

function hidden(driver: Driver, selector: string): Promise<boolean> {
  return driver.evaluate(`document.querySelector('${selector}').hidden`)
}

async function status(driver: Driver, wanted: RegExp): Promise<void> {
  await expect.poll(() => text(driver, '#status'), { timeout: 60_000 }).toMatch(wanted)
}

/** Types a prompt, sets greedy decoding and a token limit, and presses the button. */
async function write(driver: Driver, prompt: string, tokens: number): Promise<void> {
  await driver.evaluate(`(() => {
    const set = (id, value) => {
      const input = document.getElementById(id)
      input.value = value
      input.dispatchEvent(new Event('input', { bubbles: true }))
      input.dispatchEvent(new Event('change', { bubbles: true }))
    }
    set('prompt', ${JSON.stringify(prompt)})
    set('temperature', '0')
    set('maxTokens', '${tokens}')
    document.getElementById('write').click()
  })()`)
}
