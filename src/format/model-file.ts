// What every container reader (gguf.ts, safetensors.ts) delivers and what transcode.ts and the model
// loader consume: a header with canonical tensor names, and a way to stream the bytes. No container
// detail passes this file.
import type { ByteSource } from '../net/byte-source.ts'
import type { TextList } from '../text-list.ts'
import type { Pooling } from '../types/index.ts'

export type { ByteSource }

/** Element types of tensors in files; names as ggml's and safetensors' where they have one. */
export type TensorType =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'Q4_0'
  | 'Q4_K'
  | 'Q6_K'
  | 'Q8_0'
  | 'I2_S'
  | 'TQ1_0'
  | 'TQ2_0'
  | 'Q2_0_64'
  | 'Q2_0_128'
  /** Hugging Face uint8 [out/4][in], see codecs/hf-packed. */
  | 'HF_T2'

export interface TensorInfo {
  /** Canonical name: token_embd.weight, blk.3.attn_q.weight, output_norm.weight, ... (GGUF's names). */
  readonly name: string
  /** Name in the file, for messages. */
  readonly sourceName: string
  readonly type: TensorType
  /** Outputs N; 1 for vectors. Logical, not packed. Of all matrices of a stack together. */
  readonly rows: number
  /** Matrices that stand one after the other in it (the product of the dimensions after the second); 1 where absent. */
  readonly stack?: number
  /** Inputs K, contiguous in memory. */
  readonly cols: number
  /** Which of ModelFile.files. */
  readonly file: number
  /** Absolute byte offset in that file. */
  readonly offset: number
  readonly bytes: number
}

export type GgufValue = number | bigint | boolean | string | GgufArray | GgufSkipped
/** A text or list that is too large to be held and that no known model needs: its bytes or entries. */
export interface GgufSkipped {
  readonly skipped: number
}
/** Arrays of strings or of numbers; numeric arrays are typed where possible. */
export type GgufArray =
  | TextList
  | readonly number[]
  | readonly boolean[]
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | readonly GgufValue[]

export interface GgufModelFile {
  readonly container: 'gguf'
  readonly files: readonly ByteSource[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Merged metadata; a Map, so `__proto__` is a key like any other. */
  readonly metadata: ReadonlyMap<string, GgufValue>
}

export interface HfModelFile {
  readonly container: 'safetensors'
  readonly files: readonly ByteSource[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** config.json, parsed; read with Object.hasOwn only. */
  readonly config: Readonly<Record<string, unknown>>
  readonly generationConfig?: Readonly<Record<string, unknown>>
  readonly tokenizerJson?: string
  readonly tokenizerConfigJson?: string
  /** chat_template.jinja where it is a file of its own. */
  readonly chatTemplate?: string
  /** What the files of sentence-transformers say of embeddings, where there are some. */
  readonly pooling?: Pooling
  /** By name, files that a server answered with something else, and what that is. */
  readonly odd?: ReadonlyMap<string, string>
}

export type ModelFile = GgufModelFile | HfModelFile
