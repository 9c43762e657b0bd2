// Where the files beside index.js are. The names below are placeholders that the build turns into
// `new URL('./x', import.meta.url)`, the one form that browsers and bundlers resolve; they exist in built
// code only.
import { RyzError } from '../errors.ts'
import { PACKAGE_FILES, type PackageUrls } from '../package-files.ts'

declare const __RYZ_URL_worker_js__: URL
declare const __RYZ_URL_pool_worker_js__: URL
declare const __RYZ_URL_shared_hub_js__: URL
declare const __RYZ_URL_template_worker_js__: URL
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
 * @throws RyzError BAD_OPTION when it is no URL
 */
export function packageUrls(baseUrl?: string): PackageUrls {
  if (baseUrl !== undefined) {
    const folder = folderOf(baseUrl)
    const urls = PACKAGE_FILES.map(file => [file, new URL(file, folder).href])
    return Object.fromEntries(urls) as PackageUrls
  }
  return {
    'worker.js': __RYZ_URL_worker_js__.href,
    'pool-worker.js': __RYZ_URL_pool_worker_js__.href,
    'shared-hub.js': __RYZ_URL_shared_hub_js__.href,
    'template-worker.js': __RYZ_URL_template_worker_js__.href,
    'webgpu.js': __RYZ_URL_webgpu_js__.href,
    'grammar.js': __RYZ_URL_grammar_js__.href,
    'ryz-relaxed-mt.wasm': __RYZ_URL_ryz_relaxed_mt_wasm__.href,
    'ryz-relaxed-st.wasm': __RYZ_URL_ryz_relaxed_st_wasm__.href,
    'ryz-simd128-mt.wasm': __RYZ_URL_ryz_simd128_mt_wasm__.href,
    'ryz-simd128-st.wasm': __RYZ_URL_ryz_simd128_st_wasm__.href,
    'ryz-scalar-mt.wasm': __RYZ_URL_ryz_scalar_mt_wasm__.href,
    'ryz-scalar-st.wasm': __RYZ_URL_ryz_scalar_st_wasm__.href,
  }
}

function folderOf(baseUrl: string): URL {
  try {
    const page = globalThis.document?.baseURI ?? globalThis.location?.href
    return new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`, page)
  } catch (cause) {
    const what = `baseUrl is ${JSON.stringify(baseUrl)}, which is no URL`
    throw new RyzError('BAD_OPTION', `${what}; pass the folder that holds worker.js`, {}, { cause })
  }
}
