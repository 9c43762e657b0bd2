// Memory that goes back to the browser at once, where its collector would leave it for seconds or for ever: a
// load ends right before the kernel cache is filled, and what lies about by then is the page's peak. Used by
// cache and engine; depends on nothing.

/** Frees buffers now: sent to a port that nobody reads. */
export function discard(buffers: ArrayBuffer[]): void {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.postMessage(null, buffers)
  port1.close()
}

/** Far more than V8 lets young buffers add up to, far less than any device can address. */
const PRESSURE_BYTES = 128 * 2 ** 20

/**
 * Has the browser collect what is garbage now. Its collector counts the bytes of a new buffer, but pages
 * nobody touches are no memory. In Chromium the memories of calibration go with it, 12 MB each.
 */
export function collectGarbage(): void {
  try {
    discard([new ArrayBuffer(PRESSURE_BYTES)])
  } catch {
    // No room for such a buffer: the browser collects by itself by then.
  }
}
