// The files of the package beside index.js that are fetched while it runs, and where they are. The page knows
// (api/package-urls.ts: bundlers resolve URLs there) and tells its workers once, which have no URL of their
// own: so each of them is one file that may be served from anywhere.

/** Scripts of workers, and kernels. */
export const PACKAGE_FILES = [
  'worker.js',
  'pool-worker.js',
  'shared-hub.js',
  'template-worker.js',
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
