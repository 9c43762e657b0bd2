// Types of server.mjs for the tests that import it.

export interface Faults {
  etag?: string
  validators?: boolean
  ranges?: boolean
  cutAfter?: number
  stallAfter?: number
  endAfter?: number
  status?: number
  wrongAt?: number
  truncateTo?: number
  bytesPerSecond?: number
  cors?: boolean
  gzip?: boolean
  authorization?: string
  offline?: boolean
  times?: number
}

export interface Served {
  path: string
  status: number
  start: number
  end: number
  sent: number
}

export interface FaultServer {
  readonly url: string
  readonly sentBytes: number
  serve(name: string, bytes: Uint8Array): string
  setFaults(faults?: Faults): void
  takeServed(): Served[]
  close(): Promise<void>
}

export function startFaultServer(options?: {
  root?: string
  port?: number
  isolate?: boolean
  policy?: string
}): Promise<FaultServer>
