// Whether the page is in sight: browsers give hidden ones less of the GPU, and unevenly, so a speed that was measured there
// says little. Told by the page (api/link/page-sight.ts), asked where GPU and CPU are compared.

export class PageView {
  #hidden = false
  #changes = 0

  set(hidden: boolean): void {
    if (hidden !== this.#hidden) this.#changes++
    this.#hidden = hidden
  }

  /** @returns whether the page was in sight all the time since */
  readonly watch = (): (() => boolean) => {
    const changes = this.#changes
    const hidden = this.#hidden
    return () => !hidden && changes === this.#changes
  }
}
