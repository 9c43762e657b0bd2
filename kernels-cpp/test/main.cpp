// Runs every native kernel test; `make -C kernels-cpp test`.
#include <cstdlib>

#include "check.h"
#include "pool_native.h"

int checks_passed = 0;
int checks_failed = 0;

int main() {
  pool_native_start(3, 1000);
  test_math();
  for (int32_t threads : {1, 3}) {
    pool_native_threads(threads);
    test_rows();
    test_linear();
    test_attend();
    test_pour();
  }
  std::printf("%d passed, %d failed\n", checks_passed, checks_failed);
  // The pool's threads still run.
  std::fflush(stdout);
  std::_Exit(checks_failed != 0);
}
