// Names that the build replaces, see vite.config.ts.

/** `new URL('./worker.js', import.meta.url)` of the built package. */
declare const __RYZ_URL_worker_js__: URL
declare const __RYZ_URL_shared_hub_js__: URL
