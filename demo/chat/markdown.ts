// Markdown of a model as nodes of the page. marked makes HTML of it, DOMPurify lets through what text needs and
// nothing that fetches: no pictures, no styles, no forms. Links open elsewhere and tell nobody where they came from.
import DOMPurify from 'dompurify'
import { Marked } from 'marked'

const marked = new Marked({
  gfm: true,
  breaks: true,
  // HTML in an answer is something that it shows, not something that it does.
  renderer: { html: ({ text }) => escaped(text) },
})

// An answer is untrusted text: what a list of forbidden tags would forget, a list of allowed ones cannot.
const ALLOWED = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'a', 'ul', 'ol', 'li'],
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
}

export function renderMarkdown(text: string): DocumentFragment {
  const html = marked.parse(text, { async: false })
  const nodes = DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true })
  for (const link of nodes.querySelectorAll('a')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer nofollow'
  }
  // The page's own headings end at the third level.
  for (const heading of nodes.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const plain = document.createElement('p')
    plain.className = 'said-heading'
    plain.append(...heading.childNodes)
    heading.replaceWith(plain)
  }
  return nodes
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
