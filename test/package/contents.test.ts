// What may be published: a file that slips in, one that is missing, a version that was forgotten.
import { expect, test } from 'vitest'
import {
  contentFaults,
  promisedFiles,
  releaseFaults,
  type VersionedTexts,
  versionFaults,
} from '../../scripts/package/contents.ts'

const TEXTS: VersionedTexts = {
  'package.json': '{ "version": "1.2.3", "repository": "https://example.test/r" }',
  'package-lock.json': '{ "version": "1.2.3", "packages": { "": { "version": "1.2.3" } } }',
  'CHANGELOG.md': '# Changelog\n\n## 1.2.3, 2026-12-01\n\n## 1.2.2, 2026-11-01\n',
  'docs/QUICKSTART.md': 'https://cdn.example/ryzanstein@1.2.3/dist/index.js',
}

test('what belongs into the package passes', () => {
  const files = ['package.json', 'dist/index.js', 'dist/index.js.map', 'dist/ryz-simd128-mt.wasm']
  expect(
    contentFaults([...files, 'dist/types/node/load.d.ts', 'src/api/link/hub.ts'], 1, files),
  ).toEqual([])
})

test.each([
  'test/api/load.test.ts',
  'dist/model.gguf',
  '.env',
  'src/../.npmrc',
  'dist/types/index.ts',
  'node_modules/ai/index.js',
  'src/notes.md',
])('%s does not slip in', file => {
  expect(contentFaults([file], 1, [])).toEqual([`${file} is in the package and should not be`])
})

test('a promised file that is missing, and a package that grew', () => {
  const manifest = {
    exports: {
      '.': { types: './dist/types/index.d.ts', default: './dist/index.js' },
      './dist/*': './dist/*',
    },
    bin: { ryzanstein: 'dist/cli.js' },
  }
  const required = promisedFiles(manifest)
  expect(required).toEqual(['dist/types/index.d.ts', 'dist/index.js', 'dist/cli.js'])
  expect(contentFaults(required.slice(1), 4e6, required)).toEqual([
    'dist/types/index.d.ts is not in the package and must be',
    'the package has 4000000 bytes, more than 3145728',
  ])
})

test('every place that states the version is held to it', () => {
  expect(versionFaults(TEXTS)).toEqual([])
  for (const file of ['package-lock.json', 'CHANGELOG.md', 'docs/QUICKSTART.md'] as const) {
    const old = { ...TEXTS, [file]: TEXTS[file].replace('1.2.3', '1.2.2') }
    expect(versionFaults(old), file).toEqual([`${file} says 1.2.2, package.json 1.2.3`])
  }
})

test('a release needs a date, a clean tree and a repository', () => {
  expect(releaseFaults(TEXTS, [])).toEqual([])
  expect(
    releaseFaults(
      {
        ...TEXTS,
        'package.json': '{ "version": "1.2.3" }',
        'CHANGELOG.md': '## 1.2.3, unreleased\n',
      },
      ['src/index.ts'],
    ),
  ).toEqual([
    'not committed: src/index.ts',
    'CHANGELOG.md says "unreleased" where the date of 1.2.3 belongs',
    'package.json names no repository; npm publish --provenance needs it',
  ])
})
