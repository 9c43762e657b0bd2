// What scheduler.ts says when it cannot serve a request: the codes, with their numbers and advice.
import { RyzError } from '../../errors.ts'

/** What a request is told of its wait. */
export interface WaitFacts {
  /** 1 starts next. */
  readonly position: number
  /** Until it starts, from what requests took so far; null before one has ended. */
  readonly estimatedWaitMs: number | null
}

/** @param facts  where the request would have stood */
export function queueFull(waiting: number, limit: number, facts: WaitFacts): RyzError {
  const { position, estimatedWaitMs } = facts
  const wait =
    estimatedWaitMs === null ? '' : ` (its turn would come in about ${estimatedWaitMs} ms)`
  return new RyzError(
    'QUEUE_FULL',
    `${waiting} requests wait, limit ${limit}${wait}; try again when one has ended`,
    { waiting, limit, position, estimatedWaitMs },
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

/** @param atLeast  tokens: the text was not read to its end */
export function promptTooLong(atLeast: number, units: number, contextLength: number): RyzError {
  return new RyzError(
    'CONTEXT_FULL',
    `the prompt of ${units} characters has at least ${atLeast} tokens, the context holds ${contextLength} with the answer; shorten it, load with a larger contextLength, or use overflow: 'slide'`,
    { atLeast, contextLength },
  )
}

/** @param tokens  or at least so many, where `counted` is false */
export function textTooLong(
  index: number,
  tokens: number,
  contextLength: number,
  counted = true,
): RyzError {
  const least = counted ? '' : 'at least '
  return new RyzError(
    'CONTEXT_FULL',
    `text ${index} has ${least}${tokens} tokens, the context holds ${contextLength}; split it, load with a larger contextLength, or use truncate: true`,
    { index, ...(counted ? { tokens } : { atLeast: tokens }), contextLength },
  )
}

/** What a call gets after the engine closed because of another error. */
export function closedAfter(error: RyzError): RyzError {
  return new RyzError('CLOSED', `the engine has closed after ${error.code}: ${error.message}`, {
    after: error.code,
  })
}
