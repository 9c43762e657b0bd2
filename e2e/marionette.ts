// Firefox's own remote protocol: JSON with its length in front, over one socket
// (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html). Used by drivers.ts.
//
// Not WebDriver BiDi: where it drove Firefox 153, a `new Worker` in the engine worker never returned in one of some 50
// loads, with the page's own thread idle. Of 700 loads of a Firefox that nobody drove, none hung.
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Opens a port in less than this, or does not start. */
const START_MS = 30_000

/** A Firefox that obeys. */
export interface Marionette {
  readonly version: string
  /** @throws Error with Firefox's words, or when it ended */
  call(command: string, parameters?: object): Promise<unknown>
  close(): Promise<void>
}

/** Starts Firefox without a window, in a new profile. */
export async function startFirefox(binary: string, port: number): Promise<Marionette> {
  const profile = await mkdtemp(join(tmpdir(), 'ryzanstein-firefox-'))
  await writeFile(join(profile, 'user.js'), `user_pref('marionette.port', ${port});\n`)
  const browser = spawn(
    binary,
    ['--marionette', '--headless', '--no-remote', '--profile', profile],
    { stdio: 'ignore' },
  )
  const ended = new Promise<void>(resolve => {
    browser.once('exit', () => resolve())
    browser.once('error', () => resolve())
  })
  const close = async () => {
    // What it would still keep goes with the profile.
    browser.kill('SIGKILL')
    await ended
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const gone = ended.then(() => Promise.reject(new Error(`${binary} ended before it listened`)))
    const socket = await Promise.race([connected(port), gone])
    const call = conversation(socket)
    const session = (await call('WebDriver:NewSession')) as Session
    return {
      version: session.capabilities.browserVersion,
      call,
      async close() {
        socket.destroy()
        await close()
      },
    }
  } catch (caught) {
    await close()
    throw caught
  }
}

interface Session {
  readonly capabilities: { readonly browserVersion: string }
}

async function connected(port: number): Promise<Socket> {
  for (const end = Date.now() + START_MS; ; await new Promise(r => setTimeout(r, 100))) {
    const socket = connect(port, '127.0.0.1')
    const failed = await new Promise<Error | undefined>(resolve => {
      socket.once('connect', () => resolve(undefined))
      socket.once('error', resolve)
    })
    if (failed === undefined) return socket
    if (Date.now() > end) throw failed
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(reason: Error): void
}

/** What a command is, by its number: `[0, number, name, parameters]`; the answer is `[1, number, error, value]`. */
type Answer = [1, number, { error: string; message: string } | null, unknown]

function conversation(socket: Socket): Marionette['call'] {
  const waiting = new Map<number, Waiting>()
  let held = Buffer.alloc(0)
  let count = 0
  socket.on('data', (data: Buffer) => {
    held = Buffer.concat([held, data])
    for (;;) {
      const colon = held.indexOf(':')
      const end = colon + 1 + Number(held.subarray(0, colon))
      if (colon < 0 || held.length < end) return
      const message = JSON.parse(held.toString('utf8', colon + 1, end)) as Answer | object
      held = held.subarray(end)
      // The first one is a greeting.
      if (Array.isArray(message)) hear(message as Answer)
    }
  })
  function hear([, number, error, value]: Answer): void {
    const asked = waiting.get(number)
    waiting.delete(number)
    if (error) asked?.reject(new Error(`Firefox: ${error.error}: ${error.message}`))
    else asked?.resolve(value)
  }
  const over = () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox closed its connection'))
    waiting.clear()
  }
  socket.on('close', over)
  socket.on('error', over)
  return (command, parameters = {}) =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(new Error('Firefox closed its connection'))
      const number = ++count
      waiting.set(number, { resolve, reject })
      const text = JSON.stringify([0, number, command, parameters])
      socket.write(`${Buffer.byteLength(text)}:${text}`)
    })
}
