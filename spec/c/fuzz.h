/*
 * fuzz.h - what the fuzz targets share: taking an input apart, and stopping
 * at a broken promise. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_FUZZ_H
#define QCIMAGE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                       \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                \
    }                                                                         \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. */
typedef struct {
  const char *at;
  size_t left;
} fuzz_input;

static inline unsigned fuzz_byte(fuzz_input *input)
{
  if (input->left == 0)
    return 0;
  input->left--;
  return (unsigned char)*input->at++;
}

/* Takes a text up to a line feed, which is dropped, or to the end. A copy
   that ends where the text ends, so that reading beyond it is seen. */
static inline char *fuzz_line(fuzz_input *input, size_t *len)
{
  const char *end = memchr(input->at, '\n', input->left);
  char *copy;
  *len = end != NULL ? (size_t)(end - input->at) : input->left;
  copy = malloc(*len > 0 ? *len : 1);
  MUST(copy != NULL);
  memcpy(copy, input->at, *len);
  input->at += *len;
  input->left -= *len;
  if (end != NULL)
    (void)fuzz_byte(input);
  return copy;
}

#endif
