// What a file that is no model most likely is, told from its first bytes: error pages, pointer files, archives,
// other frameworks' checkpoints. For messages; nothing is decided by it but the wording. Used by the container
// readers.
import { RyzError } from '../errors.ts'
import type { ByteSource } from './model-file.ts'

/** Bytes that look() wants to see. */
export const FIRST_BYTES = 512

interface Kind {
  readonly what: string
  readonly advice: string
}

const ARCHIVE = 'unpack it and serve what is inside'

/** Files that begin with fixed bytes: at an offset, in Latin-1. */
const MAGICS: readonly (readonly [string, Kind, number?])[] = [
  ['\x1f\x8b', { what: 'gzip-compressed', advice: ARCHIVE }],
  [
    'PK\x03\x04',
    {
      what: 'a zip archive, as PyTorch and NumPy save too',
      advice: 'convert it to GGUF or safetensors',
    },
  ],
  ['PK\x05\x06', { what: 'an empty zip archive', advice: 'check the file' }],
  ['\x28\xb5\x2f\xfd', { what: 'zstd-compressed', advice: ARCHIVE }],
  ['\xfd7zXZ', { what: 'xz-compressed', advice: ARCHIVE }],
  ['BZh', { what: 'bzip2-compressed', advice: ARCHIVE }],
  ['7z\xbc\xaf', { what: 'a 7-Zip archive', advice: ARCHIVE }],
  ['Rar!', { what: 'a RAR archive', advice: ARCHIVE }],
  ['ustar', { what: 'a tar archive', advice: ARCHIVE }, 257],
  ['\x89HDF', { what: 'an HDF5 (Keras) file', advice: 'convert it to GGUF or safetensors' }],
  [
    'TFL3',
    { what: 'a TensorFlow Lite file', advice: 'use the GGUF or safetensors files of the model' },
    4,
  ],
  ['\x93NUMPY', { what: 'a NumPy array', advice: 'convert the model to GGUF or safetensors' }],
  ['\0asm', { what: 'a WebAssembly module', advice: 'check the URL or file' }],
  ['%PDF', { what: 'a PDF', advice: 'check the URL or file' }],
  ['\x89PNG', { what: 'a picture', advice: 'check the URL or file' }],
  ['\xff\xd8\xff', { what: 'a picture', advice: 'check the URL or file' }],
  ['GIF8', { what: 'a picture', advice: 'check the URL or file' }],
  ['<svg', { what: 'a picture', advice: 'check the URL or file' }],
  ['II*\0', { what: 'a picture', advice: 'check the URL or file' }],
  ['MM\0*', { what: 'a picture', advice: 'check the URL or file' }],
  ['RIFF', { what: 'a media file', advice: 'check the URL or file' }],
  ['ftyp', { what: 'a media file', advice: 'check the URL or file' }, 4],
  ['SQLite format 3', { what: 'a database', advice: 'check the URL or file' }],
  ['\x7fELF', { what: 'a program', advice: 'check the URL or file' }],
  ['MZ', { what: 'a program', advice: 'check the URL or file' }],
  ['FUGG', { what: 'a GGUF file with its bytes swapped', advice: 'convert it to little-endian' }],
  ['tjgg', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['fmgg', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['lmgg', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['algg', { what: 'a ggml adapter from before GGUF', advice: 'use a model' }],
  ['GGJT', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['GGMF', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['GGML', { what: 'a ggml file from before GGUF', advice: 'convert it' }],
  ['GGLA', { what: 'a ggml adapter from before GGUF', advice: 'use a model' }],
  ['GGUF', { what: 'a GGUF file', advice: 'give its own URL or file instead of a directory' }],
  [
    'version https://git-lfs',
    {
      what: 'a Git LFS pointer, not the file it points to',
      advice: 'run git lfs pull, or download the file itself',
    },
  ],
  [
    '# xet version',
    { what: 'a Xet pointer, not the file it points to', advice: 'download the file itself' },
  ],
]

/** Undefined when the bytes are like nothing that is known. */
export function look(bytes: Uint8Array): Kind | undefined {
  if (bytes.length === 0) return { what: 'empty', advice: 'check the URL or file' }
  const head = String.fromCharCode(...bytes.subarray(0, FIRST_BYTES))
  for (const [magic, kind, at = 0] of MAGICS) if (head.startsWith(magic, at)) return kind
  if (looksLikeHtml(bytes)) return { what: 'a web page, not a model', advice: 'check the URL' }
  if (isPickle(bytes)) {
    return {
      what: 'a Python pickle (an old PyTorch checkpoint)',
      advice: 'convert it to GGUF or safetensors',
    }
  }
  if (isOnnx(bytes)) {
    return { what: 'an ONNX model', advice: 'use the GGUF or safetensors files of the model' }
  }
  if (bytes.length > 9 && bytes[8] === 0x7b && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0) {
    return {
      what: 'a safetensors file without its directory',
      advice:
        'give the URL ending in /, or all files: config.json and tokenizer.json stand beside it',
    }
  }
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart()
  if (/^[[{]/.test(text)) return { what: `JSON (${quoted(text)})`, advice: 'check the URL or file' }
  if (/^[\t\n\r -~]+$/.test(text))
    return { what: `text (${quoted(text)})`, advice: 'check the URL or file' }
  return undefined
}

/** PROTO 2 to 5, then an opcode that begins a frame, a dict, a tuple, a module's name or a long number. */
function isPickle(bytes: Uint8Array): boolean {
  const [proto, version = 0, opcode = 0] = bytes
  return (
    proto === 0x80 &&
    version >= 2 &&
    version <= 5 &&
    [0x95, 0x7d, 0x28, 0x63, 0x8a].includes(opcode)
  )
}

/** Field 1, a small version number, then field 2, the name of what wrote it. */
function isOnnx(bytes: Uint8Array): boolean {
  const [first, version = 0, second, length = 0, letter = 0] = bytes
  const named = second === 0x12 && length >= 1 && length <= 64 && letter >= 0x20 && letter < 0x7f
  return first === 0x08 && version >= 1 && version <= 20 && named
}

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}...` : line)
}

/**
 * The error for a file that is not what it should be.
 * @param wanted "does not begin with GGUF", for bytes that are like nothing known
 */
export function notAModel(source: ByteSource, bytes: Uint8Array, wanted: string): RyzError {
  const kind = look(bytes)
  const what = kind ? `${source.name} is ${kind.what}` : `${source.name} ${wanted}`
  const advice = kind?.advice ?? 'check the URL or file'
  const origin = source.origin ? ` (it ${source.origin})` : ''
  return new RyzError('NOT_A_MODEL', `${what}${origin}; ${advice}${hint(source.name, kind)}`)
}

/** Addresses that people take for those of files. */
function hint(name: string, kind: Kind | undefined): string {
  if (kind === undefined || !/web page|JSON|text/.test(kind.what)) return ''
  const page =
    /^(https:\/\/(?:huggingface\.co|hf\.co|github\.com|gitlab\.com)\/.+?)\/(?:-\/)?blob\//.exec(
      name,
    )
  if (page)
    return `: ${page[0]}... shows a file, ${page[1]}/${/hugging|hf\./.test(name) ? 'resolve' : 'raw'}/... is the file`
  if (/^https?:/.test(name) && !/\.[a-z0-9]+$/i.test(name.replace(/[?#].*$/, ''))) {
    return ': the URL of a directory ends in /'
  }
  return ''
}

/** True when the bytes begin like an HTML or XML page: an error page, not a model. */
export function looksLikeHtml(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (at < bytes.length && bytes[at]! <= 0x20) at++
  return bytes[at] === 0x3c
}
