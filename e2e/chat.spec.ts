// The chat page as a visitor meets it, on a host with isolation headers and a strict policy.
import { readFileSync } from 'node:fs'
import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Page, test } from '@playwright/test'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

const URL_CHAT = `${HOSTS.isolated.url}chat/index.html`

let trouble: string[] = []
test.beforeEach(({ page }) => {
  trouble = collectTrouble(page)
})
test.afterEach(() => {
  expect(trouble).toEqual([])
})

async function open(page: Page): Promise<void> {
  await page.goto(URL_CHAT)
  await expect(page.locator('#status')).toHaveText(/^Ready\./, { timeout: 30_000 })
}

async function answered(page: Page, turns: number): Promise<void> {
  await expect(page.locator('.turn')).toHaveCount(turns)
  await expect(page.locator('#status')).toHaveText('Answered.', { timeout: 30_000 })
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator('#say').fill(text)
  await page.keyboard.press('Enter')
}

const settings = (values: object) => (page: Page) =>
  page.addInitScript(
    stored => localStorage.setItem('ryzanstein.chat', stored),
    JSON.stringify({ temperature: 0, repetitionPenalty: 1, maxTokens: 256, ...values }),
  )

/** Saved states in the store. Asking creates nothing: an empty database would be in the package's way. */
const keptSessions = (page: Page) =>
  page.evaluate(async () => {
    const databases = await indexedDB.databases()
    if (!databases.some(({ name }) => name === 'ryzanstein-sessions')) return 0
    const finished = <T>(request: IDBRequest<T>) =>
      new Promise<T>((done, failed) => {
        request.onsuccess = () => done(request.result)
        request.onerror = () => failed(request.error)
      })
    const database = await finished(indexedDB.open('ryzanstein-sessions'))
    const [store = ''] = database.objectStoreNames
    const count = await finished(database.transaction(store).objectStore(store).count())
    database.close()
    return count
  })

const axe = async (page: Page): Promise<string[]> => {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)
}

/** Puts a conversation into the page by its own importer. */
async function importTurns(page: Page, texts: readonly string[]): Promise<void> {
  const turns = texts.map((text, i) => ({
    id: `t${i}`,
    parent: i === 0 ? '' : `t${i - 1}`,
    role: i % 2 === 0 ? 'user' : 'assistant',
    text,
    end: 'eos',
  }))
  const data = { format: 'ryzanstein-conversation', version: 1, turns }
  const buffer = Buffer.from(JSON.stringify(data))
  await page
    .locator('#import')
    .setInputFiles({ name: 'chat.json', mimeType: 'application/json', buffer })
  await expect(page.locator('.turn')).toHaveCount(texts.length)
}

test('the chat model answers as its golden says, and goes on', async ({ page }) => {
  await settings({})(page)
  await open(page)
  await expect(page.locator('#plainly')).toContainText('17 million parameters')
  await page.getByRole('button', { name: 'Who are you?' }).click()
  await answered(page, 2)
  await expect(page.locator('.turn-assistant .said')).toHaveText(
    'I am Ryz, a very small ternary language model that runs in this web page.',
  )
  await expect(page.locator('.turn-assistant .turn-facts')).toHaveText(
    /^\d+ tokens · [\d,]+ per second · first word after/,
  )
  await expect(page.locator('#context-text')).toHaveText(/^\d+ of 1,024 tokens$/)
  await say(page, 'Hello! How are you?')
  await answered(page, 4)
  await expect(page.locator('.turn-facts').last()).toContainText('tokens were read before')
  await page.getByRole('button', { name: 'New conversation' }).click()
  await expect(page.locator('.turn')).toHaveCount(0)
  await expect(page.locator('#status')).toHaveText('Ready.')
  await expect(page.locator('#pace')).toHaveText('')
  // Left in the middle of an answer, it is as ready.
  await say(page, 'Tell me about yourself.')
  await expect(page.locator('.turn')).toHaveCount(2)
  await page.getByRole('button', { name: 'New conversation' }).click()
  await expect(page.locator('.turn')).toHaveCount(0)
  await expect(page.locator('#status')).toHaveText('Ready.')
})

test('nothing is wrong by axe, in each state, light and dark, and the page fits 390 px', async ({
  page,
}) => {
  await settings({})(page)
  await open(page)
  expect(await axe(page)).toEqual([])
  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  await importTurns(page, [
    'Hi',
    '# A list\n\n- `one`\n- two\n\n```js\nlet x\n```\n\n|a|b|\n|-|-|\n|1|2|',
  ])
  await page.locator('summary').evaluateAll(folds => {
    for (const fold of folds) (fold as HTMLElement).click()
  })
  await page.getByRole('button', { name: 'Edit' }).click()
  expect(await axe(page)).toEqual([])
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(widths[0]).toBeLessThanOrEqual(widths[1]!)
})

test('an edited message and a second answer keep what was there', async ({ page }) => {
  await settings({ temperature: 0.9, maxTokens: 24 })(page)
  await open(page)
  await say(page, 'Hello!')
  await answered(page, 2)
  const first = await page.locator('.turn-assistant .said').textContent()
  await page.getByRole('button', { name: 'Answer again' }).click()
  await answered(page, 2)
  await expect(page.locator('.turn-assistant .branches')).toContainText('2 of 2')
  await page.getByRole('button', { name: 'Previous version' }).click()
  await expect(page.locator('.turn-assistant .said')).toHaveText(first ?? '')
  await page.getByRole('button', { name: 'Edit' }).click()
  await page.getByLabel('Your message').fill('Good morning!')
  await page.keyboard.press('Enter')
  await answered(page, 2)
  await expect(page.locator('.turn-user .branches')).toContainText('2 of 2')
  await page.locator('.turn-user').getByRole('button', { name: 'Previous version' }).click()
  await expect(page.locator('.turn-user .said')).toHaveText('Hello!')
  await expect(page.locator('.turn-assistant .said')).toHaveText(first ?? '')
  await expect(page.locator('.turn-user').getByRole('button', { name: 'Previous' })).toBeFocused()
})

test('Escape stops an answer, Continue goes on with it', async ({ page }) => {
  await settings({ maxTokens: 1024 })(page)
  await open(page)
  await say(page, 'Tell me a story about a dog and a ball.')
  const said = page.locator('.turn-assistant .said')
  await expect(said).not.toBeEmpty()
  await page.keyboard.press('Escape')
  await expect(page.locator('#status')).toHaveText('Stopped.')
  await expect(page.locator('.turn-assistant .turn-facts')).toHaveText('Stopped by you')
  const before = (await said.textContent())?.trim() ?? ''
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.locator('#status')).toHaveText('Answered.', { timeout: 30_000 })
  const after = (await said.textContent()) ?? ''
  expect(after.length).toBeGreaterThan(before.length)
  expect(after).toContain(before.slice(0, 20))
})

test('a conversation is there again after a reload, and is not read again', async ({ page }) => {
  await settings({ maxTokens: 64 })(page)
  await open(page)
  await say(page, 'Tell me a story about a dog and a ball.')
  await answered(page, 2)
  await expect.poll(() => keptSessions(page)).toBe(1)
  await page.reload()
  await expect(page.locator('#status')).toHaveText(/^Ready\. \d+ tokens of this chat need not/, {
    timeout: 30_000,
  })
  await expect(page.locator('.turn')).toHaveCount(2)
  await say(page, 'And then?')
  await answered(page, 4)
  await expect(page.locator('.turn-facts').last()).toHaveText(/ (64|96) of \d+ tokens were read/)
  await page.goBack()
  await expect(page.locator('#empty')).toBeVisible()
  await page.goForward()
  await expect(page.locator('.turn')).toHaveCount(4)
})

test('turns that do not fit any more slide out, and the page says where', async ({ page }) => {
  await settings({ maxTokens: 64 })(page)
  await open(page)
  const long = 'The cat sat on the mat and looked at the moon. '.repeat(8)
  await importTurns(
    page,
    Array.from({ length: 10 }, () => long),
  )
  await say(page, 'Who are you?')
  await answered(page, 12)
  await expect(page.locator('#context-slid')).toHaveText(/^The first \d+ messages have slid out/)
  await expect(page.locator('.slid')).toContainText('the model reads on from here')
  const [used] = ((await page.locator('#context-text').textContent()) ?? '').split(' ')
  expect(Number(used)).toBeLessThan(1024)
  await say(page, 'x'.repeat(6000))
  await expect(page.locator('#notice-code')).toHaveText('CONTEXT_FULL')
  await expect(page.locator('#notice')).toBeInViewport()
  await expect(page.getByRole('button', { name: 'Get an answer' })).toBeVisible()
})

test('Markdown is shown, and nothing in it fetches or runs', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await open(page)
  const hostile = [
    '**bold** <b>tag</b> <script>document.title = "owned"</script>',
    '![x](https://evil.test/p.png) <img src="https://evil.test/q.png" onerror="document.title=1">',
    '[good](https://good.test/) [bad](javascript:alert(1)) <iframe src="https://evil.test"></iframe>',
    '```js\nlet x = 1 < 2\n```',
  ].join('\n\n')
  await importTurns(page, ['<img src=x> **no**', hostile])
  const said = page.locator('.turn-assistant .said')
  await expect(said.locator('strong')).toHaveText('bold')
  await expect(said).toContainText('<b>tag</b> <script>')
  await expect(said.locator('img, script, iframe, b')).toHaveCount(0)
  await expect(said.getByRole('link', { name: 'good' })).toHaveAttribute('rel', /noreferrer/)
  await expect(said.locator('a[href^="javascript"]')).toHaveCount(0)
  await expect(page.locator('.turn-user .said')).toHaveText('<img src=x> **no**')
  await said.getByRole('button', { name: 'Copy code' }).click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('let x = 1 < 2\n')
  await expect(page).toHaveTitle(/^Ryzanstein/)
})

test('a conversation is exported, deleted, brought back, and imported', async ({ page }) => {
  await open(page)
  await importTurns(page, ['Hi', 'Hello'])
  const downloading = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export' }).click()
  const file = await (await downloading).path()
  expect(JSON.parse(readFileSync(file, 'utf8')).turns).toHaveLength(2)
  await page.getByRole('button', { name: 'Delete Hi' }).click()
  await expect(page.locator('#empty')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Bring “Hi” back' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.locator('.turn')).toHaveCount(2)
  await page.getByRole('button', { name: 'Delete Hi' }).click()
  await page.locator('#import').setInputFiles(file)
  await expect(page.locator('.turn')).toHaveCount(2)
  await page.locator('#import').setInputFiles('README.md')
  await expect(page.locator('#notice-message')).toContainText('no JSON')
})

test('a message sent before the model is there is answered when it is', async ({ page }) => {
  let release = () => {}
  const held = new Promise<void>(done => {
    release = done
  })
  await settings({ maxTokens: 24 })(page)
  await page.route('**/*.gguf', async route => {
    await held
    await route.continue()
  })
  await page.goto(URL_CHAT)
  await say(page, 'Who are you?')
  await expect(page.locator('#status')).toHaveText(/Then it answers\.$/)
  release()
  await answered(page, 2)
})

test('a message sent in the moment in which the model opens is answered once', async ({ page }) => {
  await settings({ maxTokens: 24 })(page)
  // The engine is there, and the page still looks for what was kept of this chat.
  await page.addInitScript(() =>
    addEventListener('DOMContentLoaded', () => {
      const name = document.querySelector('#model-name')
      if (!name) return
      const watch = new MutationObserver(() => {
        watch.disconnect()
        document.querySelectorAll<HTMLElement>('#starters button')[1]?.click()
      })
      watch.observe(name, { childList: true })
    }),
  )
  await page.goto(URL_CHAT)
  await answered(page, 2)
  await expect(page.locator('.turn-assistant .said')).toHaveText(/^I am Ryz/)
})

test('thirty turns by keyboard alone', async ({ page }) => {
  await settings({ maxTokens: 8 })(page)
  await open(page)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await expect(page.locator('#say')).toBeFocused()
  for (let turn = 1; turn <= 30; turn++) {
    await page.keyboard.type(`Is ${turn} a number?`)
    await page.keyboard.press('Enter')
    await answered(page, 2 * turn)
  }
  await expect(page.locator('#say')).toBeFocused()
  await expect(page.locator('#announce')).toHaveText(/^ryz-chat: ./)
})

test('two tabs in one conversation lose nothing, and each follows the other', async ({
  page,
  context,
}) => {
  await settings({ maxTokens: 12 })(page)
  await open(page)
  await say(page, 'Who are you?')
  await answered(page, 2)
  const other = await context.newPage()
  await settings({ maxTokens: 12 })(other)
  await other.goto(page.url())
  await expect(other.locator('#status')).toHaveText(/^Ready\./, { timeout: 30_000 })
  await expect(other.locator('.turn')).toHaveCount(2)
  // Both at once, after the same turn.
  await Promise.all([say(page, 'Hello from here!'), say(other, 'Hello from there!')])
  await Promise.all([answered(page, 4), answered(other, 4)])
  for (const [tab, own] of [
    [page, 'here'],
    [other, 'there'],
  ] as const) {
    await expect(tab.locator('.turn-user .said').last()).toHaveText(`Hello from ${own}!`)
    await expect(tab.locator('.turn-user').last().locator('.branches')).toContainText('of 2')
  }
  // One goes on, the other shows it where its path ends there.
  await other.close()
  const third = await context.newPage()
  await third.goto(page.url())
  await expect(third.locator('#status')).toHaveText(/^Ready\./, { timeout: 30_000 })
  const last = await third.locator('.turn-user .said').last().textContent()
  expect(last).toMatch(/^Hello from (?:here|there)!$/)
  await expect(third.locator('.turn-user').last().locator('.branches')).toContainText('of 2')
  if (last !== 'Hello from here!') {
    await third
      .locator('.turn-user')
      .last()
      .locator('[data-control]:not([aria-disabled="true"])')
      .click()
  }
  await say(third, 'And now?')
  await answered(third, 6)
  await expect(page.locator('.turn')).toHaveCount(6)
  await expect(page.locator('.turn-assistant .said').last()).toHaveText(
    (await third.locator('.turn-assistant .said').last().textContent()) ?? '',
  )
  // What is deleted there is gone here.
  await third.getByRole('button', { name: 'Delete Who are you?' }).click()
  await expect(page.locator('#empty')).toBeVisible()
  await third.close()
})

test('odd messages: a huge paste, right to left, emoji, markup', async ({ page }) => {
  await settings({ maxTokens: 8 })(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await open(page)
  const odd = [
    'שלום, מה שלומך?',
    '👩‍👩‍👧‍👦🏳️‍🌈'.repeat(20),
    '</textarea><script>alert(1)</script>',
    'x'.repeat(900),
  ]
  for (const [index, text] of odd.entries()) {
    await say(page, text)
    await answered(page, 2 * index + 2)
    await expect(page.locator('.turn-user .said').last()).toHaveText(text)
  }
  expect(
    await page
      .locator('.turn-user .said')
      .first()
      .evaluate(said => getComputedStyle(said).direction),
  ).toBe('rtl')
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(widths[0]).toBeLessThanOrEqual(widths[1]!)
  const began = Date.now()
  await say(page, 'a long paste '.repeat(40_000))
  await expect(page.locator('#notice-code')).toHaveText('CONTEXT_FULL', { timeout: 30_000 })
  expect(Date.now() - began).toBeLessThan(20_000)
  await page.getByRole('button', { name: 'Edit' }).last().click()
  await page.getByLabel('Your message').fill('Hi')
  await page.keyboard.press('Enter')
  await answered(page, 2 * odd.length + 2)
  expect(await axe(page)).toEqual([])
})

test('a published model is chosen from the list, looked at when asked, and loaded', async ({
  page,
}) => {
  const asked: string[] = []
  const model = readFileSync('demo/public/models/ryz-tales-tq2_0-embq8_0.gguf')
  await page.route('https://huggingface.co/**', async route => {
    const request = route.request()
    asked.push(request.url())
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers().range ?? '')
    const first = Number(range?.[1] ?? 0)
    const last = Math.min(Number(range?.[2] || model.length - 1), model.length - 1)
    await route.fulfill({
      status: range ? 206 : 200,
      headers: {
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'content-range, content-length, etag, accept-ranges',
        'accept-ranges': 'bytes',
        ...(range && { 'content-range': `bytes ${first}-${last}/${model.length}` }),
      },
      body: request.method() === 'HEAD' ? '' : model.subarray(first, last + 1),
    })
  })
  // The other host's policy lets nothing out at all.
  await page.goto(`${HOSTS.bare.url}chat/index.html`)
  await expect(page.locator('#status')).toHaveText(/^Ready\./, { timeout: 30_000 })
  await page.locator('#model summary').click()
  await page.getByLabel('A published model').selectOption({ index: 1 })
  await expect(page.locator('#published-text')).toHaveText(
    /^It .*: about 1,\d{3} MB of memory\. 2\.4 B parameters, .*licence MIT, chats\. Not tried by us\.$/,
  )
  expect(await axe(page)).toEqual([])
  expect(asked).toEqual([])
  await page.getByRole('button', { name: 'Will it run here?' }).click()
  const question = page.locator('#question')
  await expect(question).toContainText('MB to download')
  await expect(question).toContainText('BitNet b1.58 2B4T is not tried by us.')
  expect(await axe(page)).toEqual([])
  await question.getByRole('button', { name: 'Load it' }).click()
  await expect(page.locator('#plainly')).toBeHidden({ timeout: 30_000 })
  await expect(page.locator('#model-name')).toHaveText(/\w/)
  expect(asked.length).toBeGreaterThan(0)
  trouble = trouble.filter(text => !text.includes('request: https://huggingface.co/'))
})

test('the site opens and answers offline, and can be installed', async ({ page, context }) => {
  await settings({ maxTokens: 24 })(page)
  await open(page)
  const keptFiles = () =>
    page.evaluate(async () => {
      const names = await caches.keys()
      const kept = await Promise.all(names.map(async name => (await caches.open(name)).keys()))
      return kept.flat().length
    })
  const files = JSON.parse(readFileSync('demo/dist/site-files.json', 'utf8'))
  await expect.poll(keptFiles, { timeout: 30_000 }).toBe(files.length)
  const devtools = await context.newCDPSession(page)
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors')
  // A private window cannot install anything.
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(['in-incognito'])
  await context.setOffline(true)
  await page.reload()
  await expect(page.locator('#status')).toHaveText(/^Ready\./, { timeout: 30_000 })
  await say(page, 'Who are you?')
  await answered(page, 2)
  await page.getByRole('link', { name: 'Play' }).click()
  await expect(page.locator('#status')).toHaveText('Ready.', { timeout: 30_000 })
  await context.setOffline(false)
  // The engine asks whether its model has changed, and nobody answers.
  trouble = trouble.filter(text => !text.includes('ERR_INTERNET_DISCONNECTED'))
})
