// Every kind of stored byte flipped at sampled positions: detected, and repaired or refused.
import { describe, expect, test } from 'vitest'
import { seal, unseal } from '../../src/cache/records.ts'
import { bench, CHUNK, noise, SIZE } from './support.ts'

const b = bench()
const POSITIONS = 200
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
console.log(`damage: SEED=${SEED}`)
const random = noise(8 * POSITIONS, SEED)
const draw = (i: number, below: number) =>
  new DataView(random.buffer).getUint32(4 * i, true) % below

test('a flipped byte of a chunk is fetched again, that chunk alone', async () => {
  await b.load()
  for (let i = 0; i < POSITIONS; i++) {
    const at = draw(i, SIZE)
    const index = Math.floor(at / CHUNK)
    const record = await b.store.readFile(b.url)
    const chunk = await b.store.readChunk(b.url, index)
    if (!record || !chunk) throw new Error('nothing is stored')
    const bytes = new Uint8Array(await chunk.arrayBuffer())
    bytes[at % CHUNK] ^= 1 << (i % 8)
    await b.store.writeChunk(index, new Blob([bytes]), record)
    b.ranges()
    const { stats } = await b.load()
    expect(stats, `byte ${at}`).toMatchObject({ state: 'repaired', repaired: 1, fetched: 1 })
    expect(b.ranges()).toEqual([index])
  }
})

test('a flipped byte of a record or manifest reads as absent', async () => {
  await b.load()
  const file = await b.store.readFile(b.url)
  const model = await b.store.readModel(b.url)
  if (!file || !model) throw new Error('nothing is stored')
  for (let i = 0; i < POSITIONS; i++) {
    const sealed = await seal(i % 2 === 0 ? file : model)
    expect(await unseal(sealed)).toMatchObject({ version: 1 })
    const field = i % 5 === 0 ? 'sha256' : 'json'
    const bytes = new TextEncoder().encode(sealed[field])
    bytes[draw(POSITIONS + i, bytes.length)] ^= 1 << (i % 7)
    const damaged = { ...sealed, [field]: new TextDecoder().decode(bytes) }
    expect(await unseal(damaged), JSON.stringify(damaged)).toBeUndefined()
  }
})

test.each([undefined, null, 5, 'x', {}, { json: '{}' }, { json: '{', sha256: '' }])(
  'a record that is %j reads as absent',
  async value => {
    expect(await unseal(value)).toBeUndefined()
  },
)

test('a chunk of the wrong size or gone is fetched again', async () => {
  await b.load()
  const record = await b.store.readFile(b.url)
  if (!record) throw new Error('nothing is stored')
  await b.store.writeChunk(2, new Blob([]), record)
  await b.store.writeChunk(5, new Blob([b.bytes]), record)
  expect((await b.load()).stats).toMatchObject({ state: 'repaired', repaired: 2, fetched: 2 })
})

describe('offline', () => {
  test('a damaged chunk ends in NETWORK that names it', async () => {
    await b.load()
    const record = await b.store.readFile(b.url)
    if (!record) throw new Error('nothing is stored')
    await b.store.writeChunk(4, new Blob([new Uint8Array(CHUNK)]), record)
    const failure = await b.load({ mode: 'only' }).catch((caught: unknown) => caught)
    expect(failure).toMatchObject({ code: 'NETWORK', detail: { chunk: 4 } })
    expect(String(failure)).toContain('is damaged in the store')
  })

  test('a server that now sends other bytes for a damaged chunk is MODEL_HASH', async () => {
    await b.load()
    const record = await b.store.readFile(b.url)
    if (!record) throw new Error('nothing is stored')
    await b.store.writeChunk(4, new Blob([new Uint8Array(CHUNK)]), record)
    b.server.setFaults({ wrongAt: 4 * CHUNK + 17 })
    await expect(b.load()).rejects.toMatchObject({ code: 'MODEL_HASH', detail: { chunk: 4 } })
    b.server.setFaults()
    expect((await b.load()).stats.state).toBe('cold')
  })
})
