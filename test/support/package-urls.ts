// The names that the build replaces by URLs (src/api/package-urls.ts), for tests of the sources.
import { vi } from 'vitest'
import { PACKAGE_FILES } from '../../src/package-files.ts'

export const PACKAGE_BASE = 'https://package.test/'

/** Until vi.unstubAllGlobals(). */
export function stubPackageUrls(): void {
  for (const file of PACKAGE_FILES) {
    const name = file.replaceAll(/[-.]/g, '_')
    vi.stubGlobal(`__RYZ_URL_${name}__`, new URL(file, PACKAGE_BASE))
  }
  vi.stubGlobal('location', new URL(PACKAGE_BASE))
}
