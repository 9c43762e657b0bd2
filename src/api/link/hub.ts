// A SharedWorker that introduces the tabs of an origin to each other: it hands a follower's port to the
// leader of its group. It holds no engine: SharedWorkers are not cross-origin isolated and cannot
// start workers (docs/ARCHITECTURE.md). Bundled as shared-hub.js; talked to by elect.ts.
import type { FromHub, ToHub } from './hub-protocol.ts'

interface Tab {
  readonly port: MessagePort
  group: string
}

const tabs = new Set<Tab>()
const leaders = new Map<string, Tab>()
/** What trapped in a group: whoever leads it next, today or after the next reload, does without. */
const avoided = new Map<string, Extract<FromHub, { type: 'avoid' }>[]>()

const tell = (tab: Tab, message: FromHub, ports: readonly MessagePort[] = []): void =>
  tab.port.postMessage(message, [...ports])

function leave(tab: Tab): void {
  tabs.delete(tab)
  if (leaders.get(tab.group) === tab) leaders.delete(tab.group)
}

function others(tab: Tab): Tab[] {
  return [...tabs].filter(other => other !== tab && other.group === tab.group)
}

function hear(tab: Tab, message: ToHub, ports: readonly MessagePort[]): void {
  const leader = leaders.get(tab.group)
  switch (message.type) {
    case 'join':
      tab.group = message.group
      tabs.add(tab)
      for (const known of avoided.get(tab.group) ?? []) tell(tab, known)
      return
    case 'lead':
      leaders.set(tab.group, tab)
      for (const other of others(tab)) tell(other, { type: 'led' })
      return
    case 'want':
      // Without a leader nothing is lost: the next one announces itself, and is asked again.
      if (leader && leader !== tab) tell(leader, message, ports)
      return
    case 'check':
      if (leader && leader !== tab) tell(leader, message)
      return
    case 'progress':
      for (const other of others(tab)) tell(other, message)
      return
    case 'avoid':
      avoided.set(tab.group, [...(avoided.get(tab.group) ?? []), message])
      for (const other of others(tab)) tell(other, message)
      return
    case 'leave':
      leave(tab)
      return
    default:
      message satisfies never
  }
}

function connect(event: MessageEvent): void {
  const port = event.ports[0]!
  const tab: Tab = { port, group: '' }
  port.onmessage = ({ data, ports }: MessageEvent<ToHub>) => hear(tab, data, ports)
  // Where browsers tell that the other end is gone (Chromium 122 and later); else it is forgotten with
  // the last tab of the origin.
  port.addEventListener('close', () => leave(tab))
}

globalThis.addEventListener('connect', event => connect(event as MessageEvent))
