// The files of the package beside index.js that are fetched while it runs, and where they are. The page knows
// (api/package-urls.ts: bundlers resolve URLs there) and tells its workers once, which have no URL of their
// own: so each of them is one file that may be served from anywhere.

/** Scripts of workers, parts that a worker imports, and kernels. */
export const PACKAGE_FILES = [
  'worker.js',
  'pool-worker.js',
  'shared-hub.js',
  'webgpu.js',
  'grammar.js',
  'ryz-relaxed-mt.wasm',
  'ryz-relaxed-st.wasm',
  'ryz-simd128-mt.wasm',
  'ryz-simd128-st.wasm',
  'ryz-scalar-mt.wasm',
  'ryz-scalar-st.wasm',
] as const
export type PackageFile = (typeof PACKAGE_FILES)[number]

/** Absolute URLs. */
export type PackageUrls = Readonly<Record<PackageFile, string>>

let known: PackageUrls | undefined

/** Says where the files are; a worker is told before anything else. */
export function usePackageUrls(urls: PackageUrls): void {
  known = urls
}

/** Where a file is. */
export function packageUrl(file: PackageFile): string {
  if (known === undefined) throw new Error(`nobody said where ${file} is`)
  return known[file]
}

/**
 * A part of the package that most pages never need: a module of its own beside worker.js. Sources and tests
 * import it as it is; in the built package it comes by URL.
 *
 * A part holds its own copy of whatever it shares with its worker: hand state in, keep none in modules.
 * @param file         as scripts/package/build.ts names it
 * @param fromSources  written `() => import('./x.ts')`, which the build leaves out
 * @throws TypeError when it cannot be fetched
 */
export function importPart<T>(file: PackageFile, fromSources?: () => Promise<T>): Promise<T> {
  if (fromSources !== undefined) return fromSources()
  return import(/* @vite-ignore */ /* webpackIgnore: true */ packageUrl(file))
}
