/*
 * redact.h - takes secrets out of a text, however they are escaped in it.
 * Pure: knows neither Lua nor OpenSSL. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_REDACT_H
#define QCIMAGE_REDACT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *text;
  size_t len;
} qc_secret;

/* Memory for a text of len bytes: len + 1, len and len of these. */
typedef struct {
  uint32_t *starts;
  uint32_t *reaches;
  char *text;
} qc_redaction;

/*
 * Copies a text with "***" in place of each secret. A secret is found as it is
 * and behind percent-encoding (%2B), the escapes of JSON and JavaScript
 * (\u002B, \x2B, \/, \\, \") and of HTML (&#43;, &#x2b;, &amp; &lt; &gt;
 * &quot; &apos;), also where these are escaped again, up to QC_REDACT_LEVELS
 * times. Only ASCII is looked for behind escapes. The time grows with the
 * length of the text, whatever it holds.
 *
 * Secrets shorter than QC_REDACT_SHORTEST are passed over. Writes no
 * terminator; returns how many bytes it wrote, at most len. len: at most
 * QC_REDACT_MAX.
 */
size_t qc_redact(char *out, qc_redaction *work, const char *text, size_t len,
                 const qc_secret *secrets, size_t count);

#endif
