/*
 * redact.c - takes secrets out of a text, however they are escaped in it.
 * Pure: knows neither Lua nor OpenSSL. Part of qcimage, see LICENSE.
 */
#include "redact.h"
#include "limits.h"

#include <string.h>

/* Value of a digit, or -1. */
static int digit(char c, int base)
{
  int value = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
  return value < base ? value : -1;
}

/* Reads min to max digits of the number of an ASCII character. Returns how
   many, 0 where there is no such number. */
static size_t number(const char *at, size_t left, int base, size_t min,
                     size_t max, char *meant)
{
  size_t count = 0;
  int value = 0;
  while (count < max && count < left && digit(at[count], base) >= 0)
    value = value * base + digit(at[count++], base);
  *meant = (char)value;
  return count >= min && value < 128 ? count : 0;
}

static int begins(const char *at, size_t left, const char *word)
{
  size_t len = strlen(word);
  return left >= len && memcmp(at, word, len) == 0;
}

/* Decodes the character reference that an ampersand begins. Returns its
   bytes, without the ampersand; 0: it is not a reference. */
static size_t entity(const char *at, size_t left, char *meant)
{
  static const struct {
    const char *name;
    char meant;
  } names[] = {{"amp;", '&'},
               {"lt;", '<'},
               {"gt;", '>'},
               {"quot;", '"'},
               {"apos;", '\''}};
  size_t i, digits;
  if (left > 1 && at[0] == '#') {
    int is_hex = at[1] == 'x' || at[1] == 'X';
    size_t first = is_hex ? 2 : 1;
    digits = number(at + first, left - first, is_hex ? 16 : 10, 1,
                    QC_REDACT_DIGITS, meant);
    return digits > 0 && first + digits < left && at[first + digits] == ';'
               ? first + digits + 1
               : 0;
  }
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (begins(at, left, names[i].name)) {
      *meant = names[i].meant;
      return strlen(names[i].name);
    }
  }
  return 0;
}

/* The same of a backslash. */
static size_t backslash(const char *at, size_t left, char *meant)
{
  size_t digits;
  if (left == 0)
    return 0;
  if (*at == 'u' || *at == 'x') {
    size_t due = *at == 'u' ? 4 : 2;
    digits = number(at + 1, left - 1, 16, due, due, meant);
    return digits > 0 ? 1 + digits : 0;
  }
  *meant = *at;
  return *at == '/' || *at == '\\' || *at == '"' ? 1 : 0;
}

/* Undoes a text's escapes once, in place. starts, unless NULL: where each of
   its characters began, and the last one ended, in the text as it was at
   first. Returns its new length. */
static size_t unescape(char *text, uint32_t *starts, size_t len)
{
  size_t from = 0, to = 0;
  while (from < len) {
    const char *behind = text + from + 1;
    size_t left = len - from - 1, taken = 0;
    char meant = text[from];
    if (meant == '%')
      taken = number(behind, left, 16, 2, 2, &meant);
    else if (meant == '\\')
      taken = backslash(behind, left, &meant);
    else if (meant == '&')
      taken = entity(behind, left, &meant);
    text[to] = taken > 0 ? meant : text[from];
    if (starts != NULL)
      starts[to] = starts[from];
    to++;
    from += 1 + taken;
  }
  if (starts != NULL)
    starts[to] = starts[len];
  return to;
}

/* Notes how far secrets reach that begin at each position. */
static void note(const char *text, const uint32_t *starts, size_t len,
                 const char *secret, size_t secret_len, uint32_t *reaches)
{
  const char *at = text, *end = text + len;
  if (secret_len < QC_REDACT_SHORTEST)
    return;
  while ((size_t)(end - at) >= secret_len &&
         (at = memchr(at, *secret, (size_t)(end - at) - secret_len + 1)) !=
             NULL) {
    if (memcmp(at, secret, secret_len) == 0) {
      size_t begin = (size_t)(at - text);
      uint32_t reach = starts[begin + secret_len];
      if (reaches[starts[begin]] < reach)
        reaches[starts[begin]] = reach;
    }
    at++;
  }
}

/* Notes a secret, also with its escapes undone, since they may have been
   undone together with those of the text. */
static void note_both(const char *text, const uint32_t *starts, size_t len,
                      const qc_secret *secret, uint32_t *reaches)
{
  char bare[QC_REDACT_SECRET_MAX];
  size_t bare_len;
  note(text, starts, len, secret->text, secret->len, reaches);
  if (secret->len > sizeof(bare))
    return;
  memcpy(bare, secret->text, secret->len);
  bare_len = unescape(bare, NULL, secret->len);
  if (bare_len < secret->len)
    note(text, starts, len, bare, bare_len, reaches);
}

size_t qc_redact(char *out, qc_redaction *work, const char *text, size_t len,
                 const qc_secret *secrets, size_t count)
{
  static const char mask[] = {'*', '*', '*'};
  char *start = out;
  size_t i, left = len, before;
  int level = 0;
  memcpy(work->text, text, len);
  memset(work->reaches, 0, len * sizeof(uint32_t));
  for (i = 0; i <= len; i++)
    work->starts[i] = (uint32_t)i;
  do {
    for (i = 0; i < count; i++)
      note_both(work->text, work->starts, left, &secrets[i], work->reaches);
    before = left;
    left = unescape(work->text, work->starts, left);
  } while (left < before && level++ < QC_REDACT_LEVELS);
  for (i = 0; i < len;) {
    size_t reach = work->reaches[i];
    if (reach == 0) {
      *out++ = text[i++];
      continue;
    }
    memcpy(out, mask, sizeof(mask));
    out += sizeof(mask);
    for (; i < reach; i++) { /* others may begin within it */
      if (work->reaches[i] > reach)
        reach = work->reaches[i];
    }
  }
  return (size_t)(out - start);
}
