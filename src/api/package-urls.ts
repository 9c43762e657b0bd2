// Where the files beside index.js are. The names below are placeholders that the build turns into
// `new URL('./x', import.meta.url)`, the one form that browsers and bundlers resolve; they exist in built
// code only.
import { RyzError } from '../errors.ts'
import { PACKAGE_FILES, type PackageUrls } from '../package-files.ts'

declare const __RYZ_URL_worker_js__: URL
declare const __RYZ_URL_pool_worker_js__: URL
declare const __RYZ_URL_shared_hub_js__: URL
declare const __RYZ_URL_webgpu_js__: URL
declare const __RYZ_URL_grammar_js__: URL
declare const __RYZ_URL_ryz_relaxed_mt_wasm__: URL
declare const __RYZ_URL_ryz_relaxed_st_wasm__: URL
declare const __RYZ_URL_ryz_simd128_mt_wasm__: URL
declare const __RYZ_URL_ryz_simd128_st_wasm__: URL
declare const __RYZ_URL_ryz_scalar_mt_wasm__: URL
declare const __RYZ_URL_ryz_scalar_st_wasm__: URL

/**
 * @param baseUrl  LoadOptions.baseUrl; relative to the page
 * @throws RyzError BAD_OPTION when it is no URL of a folder, or when this bundle needs one
 */
export function packageUrls(baseUrl?: string | URL): PackageUrls {
  try {
    return baseUrl === undefined ? urlsBesideIndex() : urlsIn(baseUrl)
  } catch (cause) {
    const what =
      baseUrl === undefined
        ? 'baseUrl is needed: this bundle does not tell where it is (no import.meta.url)'
        : `baseUrl is ${JSON.stringify(String(baseUrl))}, which is no URL of a folder`
    throw new RyzError('BAD_OPTION', `${what}; pass the folder that holds worker.js`, {}, { cause })
  }
}

function urlsIn(baseUrl: string | URL): PackageUrls {
  const folder = new URL(baseUrl, globalThis.document?.baseURI ?? globalThis.location?.href)
  if (!folder.pathname.endsWith('/')) folder.pathname += '/'
  const urls = PACKAGE_FILES.map(file => [file, new URL(file, folder).href])
  return Object.fromEntries(urls) as PackageUrls
}

function urlsBesideIndex(): PackageUrls {
  const urls = {
    'worker.js': __RYZ_URL_worker_js__.href,
    'pool-worker.js': __RYZ_URL_pool_worker_js__.href,
    'shared-hub.js': __RYZ_URL_shared_hub_js__.href,
    'webgpu.js': __RYZ_URL_webgpu_js__.href,
    'grammar.js': __RYZ_URL_grammar_js__.href,
    'ryz-relaxed-mt.wasm': __RYZ_URL_ryz_relaxed_mt_wasm__.href,
    'ryz-relaxed-st.wasm': __RYZ_URL_ryz_relaxed_st_wasm__.href,
    'ryz-simd128-mt.wasm': __RYZ_URL_ryz_simd128_mt_wasm__.href,
    'ryz-simd128-st.wasm': __RYZ_URL_ryz_simd128_st_wasm__.href,
    'ryz-scalar-mt.wasm': __RYZ_URL_ryz_scalar_mt_wasm__.href,
    'ryz-scalar-st.wasm': __RYZ_URL_ryz_scalar_st_wasm__.href,
  } satisfies PackageUrls
  const atHome = Object.entries(urls).map(([file, url]) => [file, url.replace(VITE_DEPS, HOME)])
  return Object.fromEntries(atHome) as PackageUrls
}

/**
 * Vite up to version 7, while developing, moves the index.js of every package to this folder and leaves the
 * files beside it where they were.
 */
const VITE_DEPS = /\/node_modules\/\.vite\/deps[^/]*\//
const HOME = '/node_modules/ryzanstein/dist/'
