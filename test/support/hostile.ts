// Values of every type that a caller may hand over by mistake or on purpose, each with a name.
// Made anew by every call, as some can be used once.

const throws = (): never => {
  throw new Error('a getter threw')
}

function detached(): Int32Array {
  const view = new Int32Array(4)
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const trap = {
  get: throws,
  has: throws,
  ownKeys: throws,
  getPrototypeOf: throws,
  getOwnPropertyDescriptor: throws,
}

export function hostileValues(): Record<string, unknown> {
  const cyclic: Record<string, unknown> = { role: 'user', content: 'x' }
  cyclic.self = cyclic
  const unlike = Object.defineProperty({}, Symbol.toStringTag, { get: throws })
  return {
    undefined: undefined,
    null: null,
    true: true,
    NaN: Number.NaN,
    '-0': -0,
    '-1': -1,
    '0.5': 0.5,
    '5e-324': 5e-324,
    Infinity: Number.POSITIVE_INFINITY,
    '-Infinity': Number.NEGATIVE_INFINITY,
    '2^53': 2 ** 53,
    '2^31': 2 ** 31,
    bigint: 10n,
    symbol: Symbol('s'),
    'empty string': '',
    'lone surrogate': 'a\ud800b',
    'a NUL': 'a\0b',
    __proto__name: '__proto__',
    function: () => 'x',
    'empty object': {},
    'object without prototype': Object.create(null),
    cyclic,
    'getter that throws': Object.defineProperty({}, 'x', { get: throws, enumerable: true }),
    'toString that throws': { toString: throws, valueOf: throws, [Symbol.toPrimitive]: throws },
    'tag that throws': unlike,
    'tag that lies': { [Symbol.toStringTag]: 'Blob' },
    'signal that lies': { [Symbol.toStringTag]: 'AbortSignal' },
    'proxy that throws': new Proxy({}, trap),
    'list proxy that throws': new Proxy([1], trap),
    'revoked proxy': revoked({}),
    'revoked list': revoked([]),
    'empty list': [],
    'list of undefined': [undefined],
    'list of null': [null],
    'list of NaN': [Number.NaN],
    'list of -0': [-0],
    'list of 2^53': [2 ** 53],
    'list of symbols': [Symbol('s')],
    'list of objects': [{}],
    'list of cyclic': [cyclic],
    'sparse list': new Array(2 ** 32 - 1),
    'list with a getter': Object.defineProperty([1], 0, { get: throws }),
    'message with a getter': [Object.defineProperty({}, 'role', { get: throws, enumerable: true })],
    'message with a function': [{ role: 'user', content: 'x', run: throws }],
    'lone surrogate in a message': [{ role: '\udfff', content: '\ud800' }],
    'detached view': detached(),
    'huge view': new Uint8Array(5_000_000),
    BigInt64Array: new BigInt64Array(2),
    DataView: new DataView(new ArrayBuffer(8)),
    ArrayBuffer: new ArrayBuffer(8),
    Map: new Map([[1, 2]]),
    Set: new Set([1]),
    Date: new Date(Number.NaN),
    RegExp: /x/,
    Promise: Promise.resolve('x'),
    // biome-ignore lint/suspicious/noThenProperty: that is what makes it hostile
    thenable: { then: throws },
    WeakMap: new WeakMap(),
    Blob: new Blob(['no model']),
    URL: new URL('https://x.test/'),
    'an error': new Error('x'),
    'endless iterable': {
      *[Symbol.iterator]() {
        for (;;) yield 1
      },
    },
  }
}
