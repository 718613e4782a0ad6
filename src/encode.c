/*
 * encode.c - text forms: percent-encoding, hex, UTF-8, UTC dates.
 * Pure: knows neither Lua nor OpenSSL. Part of qcimage, see LICENSE.
 */
#include "encode.h"

#include <string.h>

/* A table, since most of the time of a signature beside the digest goes into
   looking at each byte. */
static const unsigned char is_unreserved[256] = {
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
    ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
    ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1,
    ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1,
    ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
    ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1,
    ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1,
    ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['0'] = 1, ['1'] = 1,
    ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1, ['-'] = 1, ['_'] = 1, ['.'] = 1, ['~'] = 1};

char *qc_percent(char *out, const char *text, size_t len)
{
  static const char digits[] = "0123456789ABCDEF";
  const char *end = text + len;
  for (; text < end; text++) {
    unsigned char c = (unsigned char)*text;
    if (is_unreserved[c]) {
      *out++ = *text;
    } else {
      *out++ = '%';
      *out++ = digits[c >> 4];
      *out++ = digits[c & 15];
    }
  }
  return out;
}

void qc_hex(char *out, const unsigned char *bytes, size_t len)
{
  static const char digits[] = "0123456789abcdef";
  size_t i;
  for (i = 0; i < len; i++) {
    *out++ = digits[bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
}

char *qc_decimal(char out[QC_DECIMAL_MAX], uint64_t value)
{
  char digits[QC_DECIMAL_MAX];
  size_t first = QC_DECIMAL_MAX;
  do {
    digits[--first] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  memcpy(out, digits + first, QC_DECIMAL_MAX - first);
  return out + (QC_DECIMAL_MAX - first);
}

ptrdiff_t qc_utf8_length(const char *text, size_t len)
{
  const unsigned char *p = (const unsigned char *)text;
  const unsigned char *end = p + len;
  ptrdiff_t points = 0;
  while (p < end) {
    unsigned char lead = *p++;
    /* The first byte after the lead has the narrow range: it excludes
       overlong forms, surrogates and too large values. */
    unsigned char low = 0x80, high = 0xBF;
    int more;
    points++;
    if (lead < 0x80)
      continue;
    if (lead >= 0xC2 && lead <= 0xDF) {
      more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      more = 2;
      if (lead == 0xE0)
        low = 0xA0;
      if (lead == 0xED)
        high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      more = 3;
      if (lead == 0xF0)
        low = 0x90;
      if (lead == 0xF4)
        high = 0x8F;
    } else {
      return -1;
    }
    if (end - p < more || *p < low || *p > high)
      return -1;
    for (p++; more > 1; more--, p++) {
      if (*p < 0x80 || *p > 0xBF)
        return -1;
    }
  }
  return points;
}

static void put_digits(char *out, int64_t value, int count)
{
  while (count > 0) {
    out[--count] = (char)('0' + value % 10);
    value /= 10;
  }
}

void qc_utc_date(char out[11], int64_t seconds)
{
  /* Days are counted from 0000-03-01, so that a leap day ends its year; 400
     years are an era of 146097 days. */
  int64_t days = seconds / 86400 + 719468;
  int64_t era = days / 146097;
  int64_t day_of_era = days % 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                         day_of_era / 146096) /
                        365;
  int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  int64_t month =
      month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  put_digits(out, year, 4);
  out[4] = '-';
  put_digits(out + 5, month, 2);
  out[7] = '-';
  put_digits(out + 8, day, 2);
  out[10] = '\0';
}
