#!/usr/bin/env bash
# Builds build/wasm/ryz-{relaxed,simd128,scalar}-{mt,st}.wasm from kernels-cpp: emcc compiles, wasm-ld
# links one bare module (no Emscripten runtime). Uses an emsdk emcc (3.1.50 or newer) on PATH with its
# own LLVM; Debian's older emcc is pointed at clang-19 by a config file written under build/.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/wasm
work=build/kernels

fail() {
  echo "build-kernels: $1" >&2
  exit 1
}

command -v emcc >/dev/null ||
  fail "emcc is missing: put an emsdk (3.1.50 or newer) on PATH, or on Debian run: apt-get install --no-install-recommends emscripten clang-19 lld-19 llvm-19"

mkdir -p "$out" "$work"
# Not `emcc --version | head -1`: head would close the pipe and fail the script.
version=$(emcc --version 2>/dev/null | sed -n '1s/.* \([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
quiet=()
if [ "$(printf '%s\n' 3.1.50 "$version" | sort -V | sed -n 1p)" = 3.1.50 ]; then
  wasm_ld=$(dirname "$(em-config EMSCRIPTEN_ROOT)")/bin/wasm-ld
  [ -x "$wasm_ld" ] || wasm_ld=$(em-config LLVM_ROOT)/wasm-ld
else
  [ -x /usr/lib/llvm-19/bin/clang ] && wasm_ld=$(command -v wasm-ld-19) ||
    fail "emcc $version needs LLVM 19 for relaxed SIMD: apt-get install --no-install-recommends clang-19 lld-19 llvm-19, or put an emsdk (3.1.50 or newer) on PATH"
  cat >"$work/emscripten-config.py" <<CONFIG
EMSCRIPTEN_ROOT = '/usr/share/emscripten'
LLVM_ROOT = '/usr/lib/llvm-19/bin'
BINARYEN_ROOT = '/usr'
NODE_JS = '$(command -v node)'
CACHE = '/usr/share/emscripten/cache'
FROZEN_CACHE = True
LLVM_ADD_VERSION = ''
CLANG_ADD_VERSION = ''
CONFIG
  export EM_CONFIG=$PWD/$work/emscripten-config.py
  export NODE_PATH=/usr/share/nodejs
  quiet=(-Wno-version-check)
fi
[ -x "$wasm_ld" ] || fail "wasm-ld was not found beside emcc ($wasm_ld): install lld-19 or a complete emsdk"

# -ffp-contract=off: a fused multiply-add would change bits between the variants.
# -mbulk-memory: there is no libc; memset and memcpy become instructions.
common=(-std=c++17 -O3 -Wall -Wextra -DNDEBUG
  -fno-exceptions -fno-rtti -ffp-contract=off -mbulk-memory)

# The files of a variant: of each kernel the first that exists of the given arches, and the pool.
sources() {
  local pool=$1
  shift
  local base arch
  for base in $(cd kernels-cpp && printf '%s\n' *__*.cpp | sed 's/__.*//' | sort -u); do
    [ "$base" = pool ] && continue
    for arch in "$@"; do
      if [ -f "kernels-cpp/${base}__$arch.cpp" ]; then
        echo "$PWD/kernels-cpp/${base}__$arch.cpp"
        break
      fi
    done
  done
  printf "%s\n" "$PWD"/kernels-cpp/ops*.cpp
  echo "$PWD/kernels-cpp/pool__$pool.cpp"
}

build() {
  local name=$1 flags=$2 arches=$3 threads=$4
  local objects=$work/$name cflags=($flags)
  local ldflags=(--no-entry --import-memory --initial-memory=131072 --max-memory=4294967296
    -z stack-size=65536 --stack-first --export=__stack_pointer --export=__heap_base
    --gc-sections --strip-all)
  local pool=single
  if [ "$threads" = mt ]; then
    pool=threads
    cflags+=(-pthread)
    ldflags+=(--shared-memory --export-if-defined=__wasm_init_tls --export-if-defined=__tls_size
      --export-if-defined=__tls_align)
  fi
  rm -rf "$objects"
  mkdir -p "$objects"
  # shellcheck disable=SC2086
  local files
  mapfile -t files < <(sources $pool $arches)
  (cd "$objects" && emcc -c "${common[@]}" "${quiet[@]}" "${cflags[@]}" "${files[@]}")
  "$wasm_ld" "$objects"/*.o -o "$out/$name.wasm" "${ldflags[@]}"
  echo "$out/$name.wasm $(wc -c <"$out/$name.wasm") bytes"
}

for threads in mt st; do
  build ryz-relaxed-$threads "-msimd128 -mrelaxed-simd" "relaxed simd128 scalar" $threads &
  build ryz-simd128-$threads "-msimd128" "simd128 scalar" $threads &
  build ryz-scalar-$threads "" "scalar" $threads &
  for job in $(jobs -p); do wait "$job"; done
done
