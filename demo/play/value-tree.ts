// A JSON value as nested lists, drawn anew as it grows. Model text only enters as text nodes.

/** Undefined draws nothing: there is no value yet. */
export function drawValue(value: unknown): HTMLElement {
  if (Array.isArray(value)) {
    const list = document.createElement('ol')
    list.append(
      ...value.map(item => {
        const entry = document.createElement('li')
        entry.append(drawValue(item))
        return entry
      }),
    )
    return list
  }
  if (typeof value === 'object' && value !== null) {
    const list = document.createElement('dl')
    for (const [key, of] of Object.entries(value)) {
      const row = document.createElement('div')
      const name = document.createElement('dt')
      name.textContent = key
      const what = document.createElement('dd')
      what.append(drawValue(of))
      row.append(name, what)
      list.append(row)
    }
    return list
  }
  const leaf = document.createElement('span')
  leaf.className = `value value-${value === null ? 'null' : typeof value}`
  leaf.textContent = value === undefined ? '' : String(value)
  return leaf
}
