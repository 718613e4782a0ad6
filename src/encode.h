/*
 * encode.h - text forms: percent-encoding, hex, UTF-8, UTC dates.
 * Pure: knows neither Lua nor OpenSSL. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_ENCODE_H
#define QCIMAGE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Percent-encodes bytes as RFC 3986 has it: A-Z a-z 0-9 - _ . ~ stay, all
 * others become %XX with capital digits. Writes no terminator; returns the
 * end of what it wrote, at most 3 * len bytes.
 */
char *qc_percent(char *out, const char *text, size_t len);

/* Writes 2 * len small hex digits, no terminator. */
void qc_hex(char *out, const unsigned char *bytes, size_t len);

/* Bytes of the longest number that qc_decimal writes. */
#define QC_DECIMAL_MAX 20

/* Writes a number in decimal digits, no terminator; returns the end. */
char *qc_decimal(char out[QC_DECIMAL_MAX], uint64_t value);

/*
 * Code points of a text, or -1 when it is not UTF-8 as RFC 3629 has it (no
 * overlong forms, no surrogates, nothing above U+10FFFF).
 */
ptrdiff_t qc_utf8_length(const char *text, size_t len);

/*
 * Date of a Unix time in UTC as YYYY-MM-DD and a terminator, by arithmetic:
 * no time zone of the host comes in. seconds: 0 to QC_TIMESTAMP_MAX.
 */
void qc_utc_date(char out[11], int64_t seconds);

#endif
