// What several pages of the site have in common, put into each of them when it is built or served:
// <!-- include NAME key="value" --> becomes partials/NAME.html, in which {{key}} is the value and {{root}} the way to
// the root of the site. Used by vite.config.ts.
import { readFileSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import type { Plugin } from 'vite'

const FOLDER = resolve(import.meta.dirname, 'partials')

export function partials(): Plugin {
  return {
    name: 'partials',
    transformIndexHtml: {
      order: 'pre',
      handler: (html, { filename }) => {
        const depth = relative(import.meta.dirname, filename).split(sep).length - 1
        return withPartials(html, depth === 0 ? './' : '../'.repeat(depth))
      },
    },
    // In development a change of one shows at once.
    configureServer({ watcher, ws }) {
      watcher.add(FOLDER)
      watcher.on('change', file => {
        if (file.startsWith(FOLDER)) ws.send({ type: 'full-reload' })
      })
    },
  }
}

/**
 * @throws Error where a partial is missing, or wants a value that the page does not give
 */
export function withPartials(html: string, root: string): string {
  return html.replace(
    /^( *)<!-- include ([\w-]+)((?: [\w-]+="[^"]*")*) -->$/gm,
    (_, indent: string, name: string, given: string) => {
      const pairs = given.matchAll(/ ([\w-]+)="([^"]*)"/g)
      const values = new Map(Array.from(pairs, ([, key, value]) => [key!, value!]))
      values.set('root', root)
      const text = readFileSync(resolve(FOLDER, `${name}.html`), 'utf8').trimEnd()
      const filled = text
        .replace(/\{\{([\w-]+)\}\}/g, (_, key) => {
          const value = values.get(key)
          if (value === undefined) throw new Error(`partials/${name}.html wants ${key}="..."`)
          return value
        })
        // The link to the page that it is on.
        .replace(/ data-page="([\w-]+)"/g, (_, page) =>
          page === values.get('page') ? ' aria-current="page"' : '',
        )
      return filled.replace(/^(?=.)/gm, indent)
    },
  )
}
