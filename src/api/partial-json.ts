// JSON that is still being written, as far as it goes: for showing an object while it streams. Knows
// nothing of engines.

type Container = { value: unknown[] } | { value: Record<string, unknown>; key: string | undefined }

/**
 * The value that a beginning of JSON text holds so far: open strings, lists and objects are closed where
 * they stop; a name without a value, half a word, and a number that may go on are left out. Text that is
 * whole gives what JSON.parse gives. What comes after something that is no JSON is not looked at.
 * @returns undefined while there is nothing yet
 * @example
 * let text = ''
 * for await (const chunk of stream) show(partialJson(text += chunk.text))
 */
export function partialJson(text: string): unknown {
  let root: unknown
  const open: Container[] = []
  const put = (value: unknown): void => {
    const top = open.at(-1)
    if (top === undefined) root = value
    else if (!('key' in top)) top.value.push(value)
    else {
      // A member called __proto__ is one like any other.
      const member = { value, writable: true, enumerable: true, configurable: true }
      Object.defineProperty(top.value, top.key!, member)
      top.key = undefined
    }
  }
  const token = /[\s,:]*(?:([{[])|([}\]])|("[^"\\]*(?:\\.[^"\\]*)*("?))|([^\s,:{}[\]"]+))/suy
  for (let at = 0; at < text.length; at = token.lastIndex) {
    token.lastIndex = at
    const match = token.exec(text)
    if (match === null) break
    const [, opening, closing, string, ended, word] = match
    const top = open.at(-1)
    const needsName = top !== undefined && 'key' in top && top.key === undefined
    if (closing !== undefined) open.pop()
    else if (needsName && ended !== '"') break
    else if (needsName) top.key = read(string!) as string
    else if (opening === '{') {
      const value = {}
      put(value)
      open.push({ value, key: undefined })
    } else if (opening === '[') {
      const value: unknown[] = []
      put(value)
      open.push({ value })
    } else if (string !== undefined) {
      const value = ended === '"' ? read(string) : readOpen(string)
      if (value === undefined) break
      put(value)
    } else {
      // A number at the end of a list or object may get more digits.
      if (top !== undefined && token.lastIndex === text.length && !/^[tfn]/.test(word!)) break
      const value = read(word!)
      if (value === undefined) break
      put(value)
    }
    if (open.length === 0) break
  }
  return root
}

function read(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** A string whose end has not come: without an escape or a pair that is only begun. */
function readOpen(string: string): unknown {
  const whole = string.replace(/\\(?:u[\dA-Fa-f]{0,3})?$/, '')
  const value = read(`${whole}"`)
  return typeof value === 'string' ? value.replace(/[\ud800-\udbff]$/, '') : undefined
}
