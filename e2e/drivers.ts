// Drivers for the two engines that Playwright's own builds would be needed for: Firefox ESR through
// its own protocol (marionette.ts) and WebKitGTK through its WebDriver, with what the smoke run needs.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { startFirefox } from './marionette.ts'

/** A page in some browser. */
export interface Driver {
  readonly name: string
  goto(url: string): Promise<void>
  /** Value of a JavaScript expression in the page; it must survive JSON. What it keeps for later, it keeps in `window`. */
  evaluate<T>(expression: string): Promise<T>
  setFile(selector: string, path: string): Promise<void>
  close(): Promise<void>
}

export async function openFirefox(): Promise<Driver> {
  const binary = process.env.FIREFOX ?? '/usr/bin/firefox-esr'
  const { version, call, close } = await startFirefox(binary, await freePort())
  const evaluate = async <T>(expression: string): Promise<T> => {
    const script = `return (${expression})`
    const answer = await call('WebDriver:ExecuteScript', { script, args: [] })
    return (answer as { value: T }).value
  }
  return {
    name: `Firefox ${version}`,
    async goto(url) {
      await evaluate('window.isLeft = true')
      await call('WebDriver:Navigate', { url })
      // Where the URL has a hash, Firefox answers while the page before is still there.
      const isThere = `!window.isLeft && document.readyState === 'complete'`
      for (let tries = 0; tries < 100; tries++) {
        if (await evaluate(isThere).catch(() => false)) return
        await sleep(100)
      }
      throw new Error(`${url} was not loaded within 10 s`)
    },
    evaluate,
    async setFile(selector, path) {
      const found = await call('WebDriver:FindElement', { using: 'css selector', value: selector })
      const [id] = Object.values((found as { value: Record<string, string> }).value)
      await call('WebDriver:ElementSendKeys', { id, text: resolve(path) })
    },
    close,
  }
}

const MINI_BROWSERS = [
  '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
  '/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
]

/** @throws Error when the driver or its browser is not installed or does not start */
export async function openWebKit(): Promise<Driver> {
  const binary = MINI_BROWSERS.find(path => existsSync(path))
  if (!binary) throw new Error('WebKitGTK has no MiniBrowser here (package webkit2gtk-driver)')
  const port = await freePort()
  const display = `:${90 + (port % 400)}`
  const children: ChildProcess[] = [
    spawn('Xvfb', [display, '-screen', '0', '1280x900x24'], { stdio: 'ignore' }),
  ]
  await sleep(700)
  children.push(
    spawn('WebKitWebDriver', [`--port=${port}`], {
      stdio: 'ignore',
      env: { ...process.env, DISPLAY: display },
    }),
  )
  const end = () => {
    for (const child of children.reverse()) child.kill()
  }

  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: body && JSON.stringify(body),
    })
    const { value } = (await response.json()) as { value: { error?: string; message?: string } }
    if (!response.ok) throw new Error(`WebDriver ${path}: ${value.error}: ${value.message}`)
    return value
  }

  try {
    await reachable(port)
    const options = { binary, args: ['--automation'] }
    const session = (await call('POST', '/session', {
      capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } },
    })) as { sessionId: string; capabilities: { browserVersion: string } }
    const at = `/session/${session.sessionId}`
    return {
      name: `WebKitGTK ${session.capabilities.browserVersion}`,
      goto: async url => void (await call('POST', `${at}/url`, { url })),
      evaluate: async <T>(expression: string) =>
        (await call('POST', `${at}/execute/sync`, {
          script: `return (${expression})`,
          args: [],
        })) as T,
      async setFile(selector, path) {
        const element = (await call('POST', `${at}/element`, {
          using: 'css selector',
          value: `input${selector}`,
        })) as Record<string, string>
        const [id] = Object.values(element)
        await call('POST', `${at}/element/${id}/value`, { text: resolve(path) })
      },
      async close() {
        await call('DELETE', at).catch(() => {})
        end()
      },
    }
  } catch (caught) {
    end()
    throw caught
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer()
    server.on('error', failed)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function reachable(port: number): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      await fetch(`http://127.0.0.1:${port}/status`)
      return
    } catch {
      await sleep(100)
    }
  }
  throw new Error(`WebKitWebDriver does not answer on port ${port}`)
}

function sleep(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms))
}
