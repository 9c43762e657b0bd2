// Tells an engine worker whether its page is in sight, which no worker can see: nothing while it is, as most are. Called
// by open-connection.ts.

/**
 * @param tell  hears that the page is hidden, or is so no more
 * @returns what ends it
 */
export function watchPage(tell: (hidden: boolean) => void): () => void {
  const page = globalThis.document as Document | undefined
  if (page === undefined) return () => undefined
  const changed = (): void => tell(page.visibilityState === 'hidden')
  if (page.visibilityState === 'hidden') tell(true)
  page.addEventListener('visibilitychange', changed)
  return () => page.removeEventListener('visibilitychange', changed)
}
