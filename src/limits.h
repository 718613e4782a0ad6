/*
 * limits.h - every limit of the C core, each with its reason.
 * Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_LIMITS_H
#define QCIMAGE_LIMITS_H

/* Signing */

/* Longest SecretId and SecretKey: real ones have 36 and 32 bytes. */
#define QC_SECRET_MAX 512
/* Parameters of one API 2.0 request: a list of 100 ids and the public ones
   stay far below; insertion sort stays fast up to here. */
#define QC_PARAMS_MAX 1024
/* Bytes of a request before encoding: API 3.0 takes 10 MB by POST. */
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

#endif
