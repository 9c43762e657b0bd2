#!/bin/sh
# Makes sure that the compilers and the browsers of the tests are there. On Debian (or a relative) as
# root, what is missing is installed; elsewhere one sentence says what to install. An Emscripten SDK on
# PATH with a clang of its own is used as it is.
set -eu

missing=""
need() { # need COMMAND PACKAGE...
  command=$1
  shift
  command -v "$command" >/dev/null 2>&1 || missing="$missing $*"
}

# An Emscripten SDK brings a clang of its own that is new enough for relaxed SIMD (3.1.50 has LLVM 18);
# scripts/build-kernels.sh asks the same question.
own_clang() {
  command -v emcc >/dev/null 2>&1 || return 1
  version=$(emcc --version 2>/dev/null | sed -n '1s/.* \([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
  [ "$(printf '%s\n' 3.1.50 "$version" | sort -V | sed -n 1p)" = 3.1.50 ]
}

if ! own_clang; then
  need emcc emscripten
  need clang-19 clang-19
  need wasm-ld-19 lld-19
  need llvm-ar-19 llvm-19
fi
need make make
command -v g++ >/dev/null 2>&1 || need c++ g++
[ -n "${CHROMIUM:-}" ] || need chromium chromium
[ -n "${FIREFOX:-}" ] || need firefox-esr firefox-esr
need WebKitWebDriver webkit2gtk-driver
need Xvfb xvfb

[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing:$missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing
else
  echo "Please install these first (Debian package names):$missing; an Emscripten SDK (3.1.50 or newer) on PATH replaces emscripten, clang-19, lld-19 and llvm-19, and CHROMIUM=/path and FIREFOX=/path name browsers elsewhere." >&2
  exit 1
fi
