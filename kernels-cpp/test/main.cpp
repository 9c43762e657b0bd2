// Runs every native kernel test; `make -C kernels-cpp test`.
#include "check.h"

int checks_passed = 0;
int checks_failed = 0;

int main() {
  test_math();
  for (int32_t threads : {1, 3}) {
    pool_native_threads(threads);
    test_rows();
    test_linear();
    test_attend();
    test_pour();
  }
  std::printf("%d passed, %d failed\n", checks_passed, checks_failed);
  return checks_failed != 0;
}
