// The seeded random numbers of synthetic models: sfc32 (Chris Doty-Humphrey, PractRand), one stream per
// tensor name, so that a tensor holds the same values in every file type and whatever stands before it.

export type Draw = () => number

/** A generator of unsigned 32-bit integers; the same seed and name give the same numbers for ever. */
export function stream(seed: number, name: string): Draw {
  let a = 0x9e3779b9
  let b = seed | 0
  let c = fnv1a(name)
  let counter = 1
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return t >>> 0
  }
  // The first numbers still show the seed.
  for (let i = 0; i < 15; i++) next()
  return next
}

/** FNV-1a over the UTF-16 units of a text. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}

/** -1, 0 or +1, in thirds (85, 86 and 85 of 256); one draw gives four. */
export function fillTernary(out: Int8Array, count: number, draw: Draw): void {
  for (let i = 0; i < count; i += 4) {
    let bits = draw()
    for (let j = i; j < Math.min(i + 4, count); j++) {
      const byte = bits & 255
      out[j] = byte < 85 ? -1 : byte < 171 ? 0 : 1
      bits >>>= 8
    }
  }
}

/** Near-normal integers from -31 to 31 with a standard deviation of 9.85: four bytes added up. */
export function fillNormal(out: Int8Array, count: number, draw: Draw): void {
  for (let i = 0; i < count; i++) {
    const bits = draw()
    const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24)
    out[i] = Math.max(-31, Math.min(31, Math.round((sum - 510) / 15)))
  }
}

export const NORMAL_DEVIATION = 9.85
