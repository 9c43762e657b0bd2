// What scheduler.ts says when it cannot serve a request: the codes, with their numbers and advice.
import { RyzError } from '../errors.ts'

export function queueFull(waiting: number, limit: number): RyzError {
  return new RyzError(
    'QUEUE_FULL',
    `${waiting} requests wait, limit ${limit}; try again when one has ended`,
    { waiting, limit },
  )
}

export function queueTimeout(waitedMs: number): RyzError {
  return new RyzError(
    'QUEUE_TIMEOUT',
    `the request waited ${waitedMs} ms; send fewer at once or raise queueTimeoutMs`,
    { waitedMs },
  )
}

export function contextFull(tokens: number, contextLength: number): RyzError {
  return new RyzError(
    'CONTEXT_FULL',
    `the prompt has ${tokens} tokens, the context holds ${contextLength} with the answer; shorten it or load with a larger contextLength`,
    { tokens, contextLength },
  )
}

/** What a call gets after the engine closed because of another error. */
export function closedAfter(error: RyzError): RyzError {
  return new RyzError('CLOSED', `the engine has closed after ${error.code}: ${error.message}`, {
    after: error.code,
  })
}
