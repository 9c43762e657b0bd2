// The pool's protocol (kernels-cpp/claims.h and pool__threads.cpp) as a machine of atomic steps, and an explorer that
// tries every order in which threads can take them. Each step here is one load, store, swap, wait or notify there,
// under the same name. Used by pool-model.test.ts, which also breaks the protocol on purpose.

/** What is left out or put in another place; every one of these must be found. */
export type Mistake =
  | 'the range is stored, not swapped'
  | 'the region is read before a piece is taken'
  | 'pieces are dealt before they are counted'
  | 'a piece counts as done before it is'
  | 'thread 0 does not wait for pieces'
  | 'who did the last piece wakes nobody'
  | 'parked workers are not woken'
  | 'results are brought over without asking'
  | 'who lost a piece counts it as done'
  | 'a piece is held before the region is read'

export interface Region {
  readonly pieces: number
  /** Threads that share it. */
  readonly active: number
  /** Workers do their pieces in places of their own, and thread 0 may take them back. */
  readonly own?: boolean
}

export interface Setup {
  readonly threads: number
  readonly regions: readonly Region[]
  readonly mistake?: Mistake
}

export interface Explored {
  readonly states: number
  /** What went wrong first; undefined when nothing can. */
  readonly fault?: string
}

/** Where a thread is. */
const PC = [
  'region',
  'count',
  'deal',
  'epoch',
  'wake',
  'look',
  'swap',
  'read',
  'hold',
  'work',
  'keep',
  'bring',
  'let go',
  'finish',
  'last',
  'held?',
  'take back',
  'again',
  'one less',
  'joining',
  'check',
  'wait',
  'joined',
  'looks up',
  'over',
  'active?',
  'park',
  'await',
  'sleepers+',
  'look again',
  'sleep',
  'sleepers-',
  'use',
  'unpark',
] as const
type Pc = (typeof PC)[number]
const AT = Object.fromEntries(PC.map((name, i) => [name, i])) as Record<Pc, number>

/** Words a thread can sleep on. */
const AWAKE = 0
const ON_LEFT = 1
const ON_EPOCH = 2
const ON_ACTIVE = 3

// The state is bytes: shared words, then ranges, then what was done, then each thread.
const [DESCRIPTOR, LEFT, JOINING, EPOCH, SLEEPERS, ACTIVE, CURRENT, WORDS] = [
  0, 1, 2, 3, 4, 5, 6, 7,
]
const [PC_, ASLEEP, SEEN_EPOCH, FIRST, END, VICTIM, PIECE, READ, OWN, HELD, SAW, THREAD_BYTES] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
]
/** HELD, beside pieces + 1 and nothing. */
const BRINGS = 255

class Fault extends Error {}

export class PoolModel {
  readonly #setup: Setup
  readonly #most: number
  readonly #ranges: number
  readonly #done: number
  readonly #threads: number
  readonly #bytes: number
  /** States from which thread 0 gets to the end by itself. */
  readonly #alone = new Set<string>()

  constructor(setup: Setup) {
    this.#setup = setup
    this.#most = Math.max(...setup.regions.map(r => r.pieces))
    this.#ranges = WORDS
    this.#done = this.#ranges + 2 * setup.threads
    this.#threads = this.#done + setup.regions.length * this.#most
    this.#bytes = this.#threads + THREAD_BYTES * setup.threads
  }

  /** Every state that can be reached from the start. */
  explore(): Explored {
    const start = new Uint8Array(this.#bytes)
    start[ACTIVE] = this.#setup.threads
    start[this.#threads + PC_] = AT.use
    for (let t = 1; t < this.#setup.threads; t++) start[this.#at(t) + PC_] = AT['active?']
    const known = new Set([keyOf(start)])
    const open: Uint8Array[] = [start]
    try {
      for (let state = open.pop(); state !== undefined; state = open.pop()) {
        const next = this.#successors(state)
        if (next.length === 0) this.#checkRest(state)
        this.#aloneToTheEnd(state)
        for (const s of next) {
          const key = keyOf(s)
          if (known.has(key)) continue
          known.add(key)
          open.push(s)
        }
      }
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught
      return { states: known.size, fault: caught.message }
    }
    return { states: known.size }
  }

  /** Nothing moves any more: thread 0 is through, and nobody is parked who should share the next region. */
  #checkRest(state: Uint8Array): void {
    if (state[this.#threads + PC_] !== AT.over) throw new Fault('all threads sleep')
    for (let t = 1; t < state[ACTIVE]!; t++) {
      if (state[this.#at(t) + ASLEEP] === ON_ACTIVE) throw new Fault('a thread stays parked')
    }
  }

  /**
   * When nobody is in the middle of a piece, thread 0 needs nobody; nor when it can still take the piece back.
   */
  #aloneToTheEnd(state: Uint8Array): void {
    const first = PC[state[this.#threads + PC_]!]!
    const looksAgain = state[this.#threads + SAW] === 1
    const sleeps = !looksAgain && ['joining', 'check', 'wait', 'joined'].includes(first)
    const takesBack = !looksAgain && ['held?', 'take back', 'again', 'one less'].includes(first)
    for (let t = 1; t < this.#setup.threads; t++) {
      const at = this.#at(t)
      const pc = PC[state[at + PC_]!]!
      const heldLater = !sleeps && (!takesBack || state[this.#threads + VICTIM]! < t)
      const isHeld = state[at + HELD]! > 0 && state[at + HELD] !== BRINGS
      if ((pc === 'work' || pc === 'keep') && this.#isOwn(state[at + READ]!)) {
        if (isHeld && !heldLater) return
      } else if (['read', 'hold', 'work', 'bring', 'let go', 'finish', 'last'].includes(pc)) return
    }
    const passed: string[] = []
    let now = state
    while (now[this.#threads + PC_] !== AT.over) {
      const key = keyOf(now)
      if (this.#alone.has(key)) break
      passed.push(key)
      const [next] = this.#steps(now, 0)
      if (next === undefined) throw new Fault('thread 0 waits for who has no piece')
      now = next
    }
    for (const key of passed) this.#alone.add(key)
  }

  #isOwn(region: number): boolean {
    return this.#setup.regions[region]?.own === true
  }

  #at(thread: number): number {
    return this.#threads + THREAD_BYTES * thread
  }

  #successors(state: Uint8Array): Uint8Array[] {
    return Array.from({ length: this.#setup.threads }, (_, t) => this.#steps(state, t)).flat()
  }

  /** The states after one step of a thread: none while it sleeps, two where it may go either way. */
  #steps(before: Uint8Array, t: number): Uint8Array[] {
    const after = this.#stepsOf(before, t)
    for (const s of after) this.#forget(s, t)
    return after
  }

  /** What a thread remembers and will not use is the same in all states, or there would be many more of them. */
  #forget(s: Uint8Array, t: number): void {
    const at = this.#at(t)
    const pc = PC[s[at + PC_]!]!
    if (!['swap', 'wait', 'park', 'take back'].includes(pc)) s[at + FIRST] = 0
    if (pc !== 'swap') s[at + END] = 0
    const havePiece: readonly Pc[] = ['read', 'hold', 'work', 'keep', 'bring', 'again']
    if (!havePiece.includes(pc)) s[at + PIECE] = 0
    if (!['hold', 'work', 'keep', 'bring', 'swap'].includes(pc)) s[at + READ] = 0
    const victims: readonly Pc[] = [
      'look',
      'swap',
      'deal',
      'held?',
      'take back',
      'again',
      'one less',
      'looks up',
    ]
    if (!victims.includes(pc)) s[at + VICTIM] = t
  }

  #stepsOf(before: Uint8Array, t: number): Uint8Array[] {
    const at = this.#at(t)
    if (before[at + ASLEEP] !== AWAKE) return []
    const pc = PC[before[at + PC_]!]!
    if (pc === 'over') return []
    const s = before.slice()
    const go = (to: Pc) => {
      s[at + PC_] = AT[to]
    }
    if (t === 0 && this.#ofThread0(s, pc, go)) return [s]
    if (t > 0) {
      const either = this.#ofWorker(s, t, pc, go)
      if (either) return either
    }
    this.#ofBoth(s, t, pc, go)
    return [s]
  }

  /** Opens and joins regions. */
  #ofThread0(s: Uint8Array, pc: Pc, go: (to: Pc) => void): boolean {
    const { mistake, regions } = this.#setup
    const at = this.#at(0)
    const { pieces, active } = regions[s[CURRENT]!] ?? { pieces: 0, active: 0 }
    switch (pc) {
      case 'use': {
        const more = active > s[ACTIVE]!
        s[ACTIVE] = active
        go(more && mistake !== 'parked workers are not woken' ? 'unpark' : 'region')
        return true
      }
      case 'unpark':
        this.#wake(s, ON_ACTIVE)
        go('region')
        return true
      case 'region':
        s[DESCRIPTOR] = s[CURRENT]!
        s[at + OWN] = 0
        s[at + VICTIM] = 0
        go(mistake === 'pieces are dealt before they are counted' ? 'deal' : 'count')
        return true
      case 'count':
        s[LEFT] = pieces
        go(mistake === 'pieces are dealt before they are counted' ? 'epoch' : 'deal')
        return true
      case 'deal': {
        // One range a step.
        const to = s[at + VICTIM]!
        s[this.#ranges + 2 * to] = Math.floor((pieces * to) / active)
        s[this.#ranges + 2 * to + 1] = Math.floor((pieces * (to + 1)) / active)
        s[at + VICTIM] = to + 1
        if (to + 1 < active) return true
        s[at + VICTIM] = 0
        go(mistake === 'pieces are dealt before they are counted' ? 'count' : 'epoch')
        return true
      }
      case 'epoch':
        s[EPOCH]!++
        go('wake')
        return true
      case 'wake':
        if (s[SLEEPERS]! > 0) this.#wake(s, ON_EPOCH)
        go('look')
        return true
      case 'finish':
        // Of what it did itself; afterwards it waits for the others.
        s[LEFT]! -= s[at + OWN]!
        s[at + VICTIM] = 1
        if (s[LEFT] === 0 || mistake === 'thread 0 does not wait for pieces') this.#close(s, go)
        else go(this.#isOwn(s[CURRENT]!) ? 'held?' : 'joining')
        return true
      case 'held?': {
        // It has waited for as long as a piece takes.
        const holder = s[at + VICTIM]!
        if (holder >= this.#setup.threads) {
          // It sleeps for some time and looks again where somebody has held a piece; else until nothing is left.
          go('joining')
          return true
        }
        const held = s[this.#at(holder) + HELD]!
        if (held === 0 || held === BRINGS) s[at + VICTIM] = holder + 1
        else {
          s[at + FIRST] = held
          s[at + SAW] = 1
          go('take back')
        }
        return true
      }
      case 'take back': {
        const held = this.#at(s[at + VICTIM]!) + HELD
        const isThere = s[held] === s[at + FIRST]
        if (isThere) {
          s[at + PIECE] = s[held]! - 1
          s[held] = 0
        } else s[at + VICTIM]!++
        go(isThere ? 'again' : 'held?')
        return true
      }
      case 'again':
        this.#markDone(s, s[CURRENT]!, s[at + PIECE]!)
        go('one less')
        return true
      case 'one less':
        s[LEFT]!--
        s[at + VICTIM]!++
        if (s[LEFT] === 0) this.#close(s, go)
        else go('held?')
        return true
      case 'joining':
        s[JOINING] = 1
        go('check')
        return true
      case 'check':
        s[at + FIRST] = s[LEFT]!
        go(s[LEFT] === 0 ? 'joined' : 'wait')
        return true
      case 'wait':
        // A sleep that ends by itself is none here: whatever others do meanwhile they may also do before.
        if (s[at + SAW]) go('joined')
        else {
          if (s[LEFT] === s[at + FIRST]) s[at + ASLEEP] = ON_LEFT
          go('check')
        }
        return true
      case 'joined':
        s[JOINING] = 0
        if (s[at + SAW]) {
          s[at + VICTIM] = 1
          go('looks up')
        } else this.#close(s, go)
        return true
      case 'looks up':
        s[at + SAW] = 0
        if (s[LEFT] === 0) this.#close(s, go)
        else go('held?')
        return true
      default:
        return false
    }
  }

  /** Sleeps, parks, and finds regions. */
  #ofWorker(s: Uint8Array, t: number, pc: Pc, go: (to: Pc) => void): Uint8Array[] | undefined {
    const { mistake } = this.#setup
    const at = this.#at(t)
    switch (pc) {
      case 'active?':
        s[at + FIRST] = s[ACTIVE]!
        go(s[ACTIVE]! <= t ? 'park' : 'await')
        return [s]
      case 'park':
        if (s[ACTIVE] === s[at + FIRST]) s[at + ASLEEP] = ON_ACTIVE
        go('active?')
        return [s]
      case 'await': {
        if (s[EPOCH] !== s[at + SEEN_EPOCH]) {
          this.#arrive(s, t, go)
          return [s]
        }
        // It spins on, or has spun long enough.
        go('sleepers+')
        return [s]
      }
      case 'sleepers+':
        s[SLEEPERS]!++
        go('look again')
        return [s]
      case 'look again':
        go(s[EPOCH] === s[at + SEEN_EPOCH] ? 'sleep' : 'sleepers-')
        return [s]
      case 'sleep':
        if (s[EPOCH] === s[at + SEEN_EPOCH]) s[at + ASLEEP] = ON_EPOCH
        go('look again')
        return [s]
      case 'sleepers-':
        s[SLEEPERS]!--
        this.#arrive(s, t, go)
        return [s]
      case 'finish':
        s[LEFT]!--
        if (s[LEFT]! > 200) throw new Fault('more pieces done than there were')
        s[at + VICTIM] = t
        go(s[LEFT] === 0 ? 'last' : 'look')
        return [s]
      case 'hold':
        s[at + HELD] = s[at + PIECE]! + 1
        go(mistake === 'a piece is held before the region is read' ? 'read' : 'work')
        return [s]
      case 'keep': {
        const isMine = s[at + HELD] === s[at + PIECE]! + 1
        if (isMine) s[at + HELD] = BRINGS
        s[at + VICTIM] = t
        if (isMine || mistake === 'results are brought over without asking') go('bring')
        else go(mistake === 'who lost a piece counts it as done' ? 'finish' : 'look')
        return [s]
      }
      case 'bring':
        this.#markDone(s, s[at + READ]!, s[at + PIECE]!)
        go('let go')
        return [s]
      case 'let go':
        s[at + HELD] = 0
        go('finish')
        return [s]
      case 'last':
        if (s[JOINING] && mistake !== 'who did the last piece wakes nobody') this.#wake(s, ON_LEFT)
        go('look')
        return [s]
      default:
        return undefined
    }
  }

  /** Takes a piece and does it. */
  #ofBoth(s: Uint8Array, t: number, pc: Pc, go: (to: Pc) => void): void {
    const { mistake } = this.#setup
    const at = this.#at(t)
    const victim = s[at + VICTIM]!
    const range = this.#ranges + 2 * victim
    switch (pc) {
      case 'look':
        s[at + FIRST] = s[range]!
        s[at + END] = s[range + 1]!
        if (s[range]! < s[range + 1]!) {
          if (mistake === 'the region is read before a piece is taken')
            s[at + READ] = s[DESCRIPTOR]!
          go('swap')
        } else this.#nextVictim(s, t, go)
        return
      case 'swap': {
        const same = s[range] === s[at + FIRST] && s[range + 1] === s[at + END]
        if (!same && mistake !== 'the range is stored, not swapped') {
          go('look')
          return
        }
        const front = victim === t
        s[at + PIECE] = front ? s[at + FIRST]! : s[at + END]! - 1
        s[range] = s[at + FIRST]! + (front ? 1 : 0)
        s[range + 1] = s[at + END]! - (front ? 0 : 1)
        if (mistake === 'a piece is held before the region is read' && t > 0) go('hold')
        else go(mistake === 'the region is read before a piece is taken' ? 'work' : 'read')
        return
      }
      case 'read':
        s[at + READ] = s[DESCRIPTOR]!
        if (mistake === 'a piece is held before the region is read' && t > 0) {
          if (s[at + HELD] !== s[at + PIECE]! + 1) throw new Fault('a region that is over is read')
        } else if (t > 0 && this.#isOwn(s[at + READ]!)) {
          go('hold')
          return
        }
        if (mistake === 'a piece counts as done before it is' && t > 0) {
          s[LEFT]!--
          if (s[LEFT]! > 200) throw new Fault('more pieces done than there were')
        }
        go('work')
        return
      case 'work': {
        const of = s[at + READ]!
        if (t > 0 && this.#isOwn(of)) {
          // In a place of its own: whether it counts is seen afterwards.
          go('keep')
          return
        }
        this.#markDone(s, of, s[at + PIECE]!)
        if (t === 0) s[at + OWN]!++
        if (mistake === 'a piece counts as done before it is' && t > 0) {
          s[at + VICTIM] = t
          go(s[LEFT] === 0 ? 'last' : 'look')
        } else if (t > 0) go('finish')
        else {
          s[at + VICTIM] = 0
          go('look')
        }
        return
      }
      default:
        throw new Error(`thread ${t} cannot be at ${pc}`)
    }
  }

  #markDone(s: Uint8Array, region: number, piece: number): void {
    // The arguments of a region are on thread 0's stack: after its end they are somebody else's.
    if (region !== s[CURRENT]) throw new Fault('a piece of a region that is over')
    const done = this.#done + region * this.#most + piece
    if (s[done]! > 0) throw new Fault('a piece is done twice')
    s[done] = 1
  }

  #nextVictim(s: Uint8Array, t: number, go: (to: Pc) => void): void {
    const at = this.#at(t)
    const next = (s[at + VICTIM]! + 1) % this.#setup.threads
    if (next !== t) {
      s[at + VICTIM] = next
      return
    }
    s[at + VICTIM] = t
    go(t === 0 ? 'finish' : 'active?')
  }

  #arrive(s: Uint8Array, t: number, go: (to: Pc) => void): void {
    s[this.#at(t) + SEEN_EPOCH] = s[EPOCH]!
    s[this.#at(t) + VICTIM] = t
    go('look')
  }

  #close(s: Uint8Array, go: (to: Pc) => void): void {
    const { regions } = this.#setup
    const region = s[CURRENT]!
    for (let p = 0; p < regions[region]!.pieces; p++) {
      if (s[this.#done + region * this.#most + p] !== 1) throw new Fault('a piece was left out')
    }
    s[CURRENT] = region + 1
    s[this.#threads + SAW] = 0
    go(region + 1 < regions.length ? 'use' : 'over')
  }

  #wake(s: Uint8Array, on: number): void {
    for (let t = 0; t < this.#setup.threads; t++) {
      if (s[this.#at(t) + ASLEEP] === on) s[this.#at(t) + ASLEEP] = AWAKE
    }
  }
}

function keyOf(state: Uint8Array): string {
  return String.fromCharCode(...state)
}
