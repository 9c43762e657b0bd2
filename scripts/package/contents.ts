// What may be in the package and what must be, and whether all places that state its version agree. Pure: the files are
// listed and read by who calls, check.ts at every check and release.ts before a release.

/** Everything that npm may publish; what matches none of these is a file that slipped in. */
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/[\w-]+\.js(\.map)?$/,
  /^dist\/ryz-(relaxed|simd128|scalar)-(mt|st)\.wasm$/,
  /^dist\/THIRD_PARTY_NOTICES\.txt$/,
  /^dist\/types\/[\w/-]+\.d\.ts$/,
  /^src\/[\w/-]+(\.d)?\.ts$/,
]

/** 3 MiB packed: twice what it is today, so that a model or a build that slipped in is seen. */
const MOST_BYTES = 3 * 2 ** 20

/**
 * What is wrong with a tarball, in sentences; empty when nothing is.
 * @param files     paths in the package
 * @param bytes     size of the tarball
 * @param required  paths that must be there: every target of package.json's exports and bin, every file that workers fetch
 */
export function contentFaults(
  files: readonly string[],
  bytes: number,
  required: readonly string[],
): string[] {
  const there = new Set(files)
  return [
    ...files
      .filter(file => !ALLOWED.some(pattern => pattern.test(file)))
      .map(file => `${file} is in the package and should not be`),
    ...required
      .filter(file => !there.has(file))
      .map(file => `${file} is not in the package and must be`),
    ...(bytes > MOST_BYTES ? [`the package has ${bytes} bytes, more than ${MOST_BYTES}`] : []),
  ]
}

/** The paths that package.json promises: what its exports and its bin point at. */
export function promisedFiles(manifest: { exports: object; bin: object }): string[] {
  const targets = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets)
  return [...targets(manifest.exports), ...targets(manifest.bin)]
    .map(target => target.replace(/^\.\//, ''))
    .filter(target => !target.includes('*'))
}

/** Texts that state the version, by file. */
export interface VersionedTexts {
  readonly 'package.json': string
  readonly 'package-lock.json': string
  readonly 'CHANGELOG.md': string
  readonly 'docs/QUICKSTART.md': string
}

/** The sentences about places whose version is not package.json's. */
export function versionFaults(texts: VersionedTexts): string[] {
  const { version } = JSON.parse(texts['package.json'])
  const lock = JSON.parse(texts['package-lock.json'])
  const stated = {
    'package-lock.json': lock.version,
    'package-lock.json, packages': lock.packages[''].version,
    'CHANGELOG.md': /^## (\S+),/m.exec(texts['CHANGELOG.md'])?.[1],
    'docs/QUICKSTART.md': /ryzanstein@([\w.-]+)\//.exec(texts['docs/QUICKSTART.md'])?.[1],
  }
  return Object.entries(stated)
    .filter(([, found]) => found !== version)
    .map(([file, found]) => `${file} says ${found}, package.json ${version}`)
}

/** What keeps a tree from being released that is fine to work on, in sentences. */
export function releaseFaults(texts: VersionedTexts, changed: readonly string[]): string[] {
  const manifest = JSON.parse(texts['package.json'])
  const heading = /^## \S+, (.*)$/m.exec(texts['CHANGELOG.md'])?.[1] ?? ''
  return [
    ...versionFaults(texts),
    ...(changed.length > 0 ? [`not committed: ${changed.join(', ')}`] : []),
    ...(/^\d{4}-\d{2}-\d{2}$/.test(heading)
      ? []
      : [`CHANGELOG.md says "${heading}" where the date of ${manifest.version} belongs`]),
    ...(manifest.repository
      ? []
      : ['package.json names no repository; npm publish --provenance needs it']),
  ]
}
