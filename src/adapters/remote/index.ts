// `ryzanstein/remote`: engines elsewhere, and this device with one behind it.
export {
  type HybridChoice,
  type HybridEngine,
  type HybridPolicy,
  type HybridReason,
  type HybridRequest,
  type HybridStream,
  hybrid,
  type LocalEngine,
} from './hybrid.ts'
export { type RemoteEngine, type RemoteOptions, remote } from './remote.ts'
