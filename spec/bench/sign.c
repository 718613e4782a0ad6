/*
 * sign.c - the yardstick for signing: what libcrypto alone takes, in a C
 * loop, for the digests that one signature needs. Prints nanoseconds of CPU
 * time.
 */
#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROUNDS 20000

static EVP_MD_CTX *inner, *outer, *empty, *work;
static unsigned char raw[EVP_MAX_MD_SIZE];
static unsigned int size;

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static EVP_MD_CTX *started(const char *text, size_t len)
{
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (ctx == NULL || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ||
      !EVP_DigestUpdate(ctx, text, len))
    return NULL;
  return ctx;
}

static void digest(const EVP_MD_CTX *from, const void *text, size_t len)
{
  if (!EVP_MD_CTX_copy_ex(work, from) || !EVP_DigestUpdate(work, text, len) ||
      !EVP_DigestFinal_ex(work, raw, &size))
    size = 0;
}

static void hmac(const void *text, size_t len)
{
  digest(inner, text, len);
  digest(outer, raw, size);
}

int main(void)
{
  char text[260], pad[64];
  double start;
  int i;
  memset(text, 'x', sizeof(text));
  memset(pad, 'k', sizeof(pad));
  inner = started(pad, sizeof(pad));
  outer = started(pad, sizeof(pad));
  empty = started(pad, 0);
  work = EVP_MD_CTX_new();
  if (inner == NULL || outer == NULL || empty == NULL || work == NULL)
    return 1;

  start = now();
  for (i = 0; i < ROUNDS; i++) {
    char signature[64];
    hmac(text, sizeof(text));
    EVP_EncodeBlock((unsigned char *)signature, raw, (int)size);
  }
  printf("v2 %.0f\n", (now() - start) / ROUNDS);

  start = now();
  for (i = 0; i < ROUNDS; i++) {
    digest(empty, text, 80);  /* the payload */
    digest(empty, text, 180); /* the canonical request */
    hmac(text, 130);          /* the string to sign */
  }
  printf("tc3 %.0f\n", (now() - start) / ROUNDS);
  return size == 0;
}
