/*
 * limits.h - every limit of the C core, each with its reason.
 * Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_LIMITS_H
#define QCIMAGE_LIMITS_H

/* Signing */

/* Longest SecretId and SecretKey. Permanent ones have 36 and 32 bytes,
   temporary ones up to 1,024 (data type Credentials of STS). */
#define QC_SECRET_MAX 1024
/* Parameters of one API 2.0 request: a list of 100 ids and the public ones
   stay far below; insertion sort stays fast up to here. */
#define QC_PARAMS_MAX 1024
/* Bytes of a text that is signed, before encoding: API 3.0 takes 10 MB by
   POST. */
#define QC_REQUEST_MAX (10 * 1024 * 1024)
/* Timestamps: the last second of the year 9999, since a date has ten
   characters. */
#define QC_TIMESTAMP_MAX 253402300799LL
/* API 2.0 scratch kept on the C stack; a longer request uses the Lua heap. */
#define QC_STACK_SCRATCH 4096
#define QC_STACK_PARAMS  32
/* Longest single wait in seconds: a day; a wait is bounded by a call's
   timeout long before. */
#define QC_SLEEP_MAX 86400

/* The last signal's number: 64 on Linux. */
#define QC_SIGNAL_MAX 64

/* Bytes that a command writes when a signal ends it: two lines. */
#define QC_LAST_WORDS_MAX 2048

/* Redaction */

/* Bytes of a text: an answer is shown up to 64 KB. */
#define QC_REDACT_MAX (128 * 1024)
/* Bytes of a secret at least: a shorter one would be found in any text. */
#define QC_REDACT_SHORTEST 4
/* Bytes of the longest secret that is also looked for with its escapes undone:
   a token has up to 4,096 (data type Credentials of STS). */
#define QC_REDACT_SECRET_MAX 4096
/* Secrets of one text: a call has three, each in two forms, and up to six
   proxies, each in five. */
#define QC_REDACT_SECRETS 64
/* How often an escape may be escaped again: %252B, \\u002B. */
#define QC_REDACT_LEVELS 3
/* Digits of an HTML character reference, leading zeros included. */
#define QC_REDACT_DIGITS 7

/* HTTP */

/* Headers of one request: API 3.0 with a token needs ten. */
#define QC_HTTP_REQUEST_HEADERS 64
/* Bytes of a request's URL and headers: a query may have 32 KB, a token 4. */
#define QC_HTTP_REQUEST_HEAD_MAX (64 * 1024)
/* Bytes and lines of an answer's head, with the interim answers before it and
   the trailer after it: real ones have under 1 KB. */
#define QC_HTTP_HEAD_MAX   (64 * 1024)
#define QC_HTTP_HEAD_LINES 256
/* Default limit of a response's body: a page of 100 images has about 100 KB.
 */
#define QC_HTTP_BODY_MAX (4 * 1024 * 1024)
/* The highest limit that can be set. */
#define QC_HTTP_BODY_LIMIT 2147483647
/* Memory for a body that is kept from one answer to the next. */
#define QC_HTTP_BODY_KEPT (64 * 1024)
/* Longest time in seconds that a connection may have been idle to be used
   again: balancers forget theirs after 60. */
#define QC_HTTP_IDLE_MAX 50
/* Idle connections of a client that are kept, and slots for requests: beyond
   these a program has its calls under way at once. */
#define QC_HTTP_KEPT 8
/* Descriptors of one transfer: two addresses are tried at once, a resolver may
   ask several name servers. */
#define QC_HTTP_DESCRIPTORS 8
/* Seconds after its end of time at which a transfer is ended whatever libcurl
   does. */
#define QC_HTTP_LATE 0.025
/* Bytes of an address in digits, with a terminator: IPv6 with a zone has up to
   61. */
#define QC_HTTP_ADDRESS_SIZE 64
/* Longest attempt in seconds: a day, far below what C counts in
   milliseconds. */
#define QC_HTTP_SECONDS_MAX 86400
/* Bytes of the text that names libcurl and its libraries: about 200. */
#define QC_HTTP_VERSION_MAX 512
/* Bytes of an option's text: a path, a URL. */
#define QC_HTTP_OPTION_MAX 4096

#endif
