/*
 * encode_test.c - percent-encoding, hex, UTF-8, dates.
 */
#include "check.h"
#include "../../src/encode.h"

static int percent_is(const char *text, size_t len, const char *expected)
{
  char out[256];
  char *end = qc_percent(out, text, len);
  size_t written = (size_t)(end - out);
  return written == strlen(expected) && memcmp(out, expected, written) == 0;
}

static int date_is(int64_t seconds, const char *expected)
{
  char out[11];
  qc_utc_date(out, seconds);
  return strcmp(out, expected) == 0;
}

static ptrdiff_t points(const char *text)
{
  return qc_utf8_length(text, strlen(text));
}

int main(void)
{
  char hex[4];

  /* RFC 3986: unreserved bytes stay, all others in capital digits */
  CHECK(percent_is("", 0, ""));
  CHECK(percent_is("AZaz09-_.~", 10, "AZaz09-_.~"));
  CHECK(percent_is(" +&=%", 5, "%20%2B%26%3D%25"));
  CHECK(percent_is("*'()!/", 6, "%2A%27%28%29%21%2F"));
  CHECK(percent_is("\0\r\n", 3, "%00%0D%0A"));
  CHECK(percent_is("\xe6\xaf\x8f", 3, "%E6%AF%8F"));

  qc_hex(hex, (const unsigned char *)"\x00\xfa", 2);
  CHECK(memcmp(hex, "00fa", 4) == 0);

  CHECK(points("") == 0);
  CHECK(points("abc") == 3);
  CHECK(points("\xc3\xa9\xe6\xaf\x8f\xf0\x9f\x9a\x80") == 3);
  CHECK(points("\xf4\x8f\xbf\xbf") == 1);         /* U+10FFFF */
  CHECK(points("\xf4\x90\x80\x80") == -1);        /* above it */
  CHECK(points("\xed\x9f\xbf") == 1);             /* U+D7FF */
  CHECK(points("\xed\xa0\x80") == -1);            /* a surrogate */
  CHECK(points("\xc0\xaf") == -1);                /* overlong */
  CHECK(points("\xe0\x80\xaf") == -1);            /* overlong */
  CHECK(points("\xf0\x80\x80\xaf") == -1);        /* overlong */
  CHECK(points("\x80") == -1);                    /* no lead */
  CHECK(points("\xff") == -1);                    /* never a byte of UTF-8 */
  CHECK(points("\xe6\xaf") == -1);                /* cut */
  CHECK(qc_utf8_length("\xe6\xaf\x8f", 2) == -1); /* cut by its length */
  CHECK(qc_utf8_length("a\0b", 3) == 3);

  CHECK(date_is(0, "1970-01-01"));
  CHECK(date_is(86399, "1970-01-01"));
  CHECK(date_is(1551113065, "2019-02-25"));
  CHECK(date_is(1704067199, "2023-12-31"));
  CHECK(date_is(1704067200, "2024-01-01"));
  CHECK(date_is(1709224200, "2024-02-29"));
  CHECK(date_is(1709251200, "2024-03-01"));
  CHECK(date_is(4107542399LL, "2100-02-28")); /* 2100 is no leap year */
  CHECK(date_is(4107542400LL, "2100-03-01"));
  CHECK(date_is(951782400, "2000-02-29")); /* 2000 is one */
  CHECK(date_is(253402300799LL, "9999-12-31"));
  return CHECK_RESULT();
}
