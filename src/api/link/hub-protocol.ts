// What tabs that share an engine say to the hub (hub.ts), and what it passes on. The hub only
// introduces: calls and tokens then go over a MessagePort between the follower and the leader's engine.
import type { LoadProgress } from '../../types/index.ts'
import type { Avoided } from './open-connection.ts'

/** Tab -> hub; `want` brings the port that the leader's engine shall answer on. */
export type ToHub =
  | { readonly type: 'join'; readonly group: string }
  | { readonly type: 'lead' }
  | { readonly type: 'want'; readonly client: string }
  | { readonly type: 'check' }
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'avoid'; readonly avoid: Avoided }
  | { readonly type: 'leave' }

/** Hub -> tab; `led` goes to followers, `want` (with its port) and `check` to the leader, `avoid` to all, later too. */
export type FromHub =
  | { readonly type: 'led' }
  | { readonly type: 'want'; readonly client: string }
  | { readonly type: 'check' }
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'avoid'; readonly avoid: Avoided }
