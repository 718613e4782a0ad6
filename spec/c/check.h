/*
 * check.h - the little that the C tests need: a check that counts and names
 * its line. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_CHECK_H
#define QCIMAGE_CHECK_H

#include <stdio.h>
#include <string.h>

static int checks_failed;
static int checks_passed;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (condition) {                                                          \
      checks_passed++;                                                        \
    } else {                                                                  \
      checks_failed++;                                                        \
      printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);          \
    }                                                                         \
  } while (0)

/* What main returns. A test that checked nothing has failed. */
#define CHECK_RESULT()                                                        \
  (printf("%d checks passed, %d failed\n", checks_passed, checks_failed),     \
   checks_failed > 0 || checks_passed == 0)

#endif
