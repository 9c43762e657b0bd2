// RyzErrors across a worker boundary. Comlink keeps only name, message and stack of what is thrown;
// its "throw" transfer handler is replaced here, on both sides, so that code, detail and instanceof
// survive. Ports use the same form. Other errors and values travel as Comlink has them travel.
import { type TransferHandler, transferHandlers } from 'comlink'
import { type ErrorCode, type ErrorDetail, RyzError } from '../errors.ts'

/** A RyzError as plain, cloneable data. */
export interface WireError {
  readonly ryz: true
  readonly code: ErrorCode
  readonly message: string
  readonly detail: ErrorDetail
  readonly stack: string | undefined
  /** Message of the cause, if there was one. */
  readonly cause: string | undefined
}

/** Makes an error ready for postMessage. */
export function toWireError(error: RyzError): WireError {
  const { code, message, detail, stack, cause } = error
  return {
    ryz: true,
    code,
    message,
    detail,
    stack,
    cause: cause instanceof Error ? cause.message : cause === undefined ? undefined : String(cause),
  }
}

/** The RyzError again, with the stack of the side that threw it. */
export function fromWireError(wire: WireError): RyzError {
  const options = wire.cause === undefined ? undefined : { cause: new Error(wire.cause) }
  const error = new RyzError(wire.code, wire.message, wire.detail, options)
  if (wire.stack !== undefined) error.stack = wire.stack
  return error
}

function isWireError(value: unknown): value is WireError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'ryz' in value &&
    value.ryz === true &&
    'code' in value &&
    typeof value.code === 'string'
  )
}

/** What Comlink hands to a throw handler. */
interface Thrown {
  readonly value: unknown
}

let installed = false

/** Replaces Comlink's "throw" handler; on the page and in the worker, once each. */
export function installErrorWire(): void {
  if (installed) return
  installed = true
  const plain = transferHandlers.get('throw') as TransferHandler<Thrown, unknown>
  const handler: TransferHandler<Thrown, unknown> = {
    canHandle: plain.canHandle,
    serialize: thrown =>
      thrown.value instanceof RyzError ? [toWireError(thrown.value), []] : plain.serialize(thrown),
    deserialize(wire) {
      if (isWireError(wire)) throw fromWireError(wire)
      return plain.deserialize(wire)
    },
  }
  transferHandlers.set('throw', handler)
}
