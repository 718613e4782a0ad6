/*
 * sign.h - the signatures of Tencent Cloud: the one of API 2.0 (also known as
 * signature v1 on API 3.0) and TC3-HMAC-SHA256.
 * Pure: knows libcrypto, no Lua, no clock, no I/O. Part of qcimage, see
 * LICENSE.
 *
 * Functions that return int give 1 for success and 0 when libcrypto failed
 * (no memory, or an algorithm that a policy forbids).
 */
#ifndef QCIMAGE_SIGN_H
#define QCIMAGE_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#define QC_SHA256_SIZE 32
/* Base64 of the longest digest, with its terminator. */
#define QC_SIGNATURE_MAX 45
#define QC_DATE_SIZE     11
/* Of the name of a service, with its terminator. */
#define QC_SERVICE_SIZE 16

typedef enum { QC_SHA1, QC_SHA256 } qc_digest;

/* HMAC with its key already worked in: made once, copied for each message. */
typedef struct {
  EVP_MD_CTX *inner;
  EVP_MD_CTX *outer;
} qc_hmac;

/* A key and what was derived from it. All zero is a cleared signer. */
typedef struct {
  unsigned char *key;
  size_t key_len;
  EVP_MD_CTX *work;   /* scratch of one message */
  EVP_MD_CTX *sha256; /* an empty digest, copied for each message */
  qc_hmac keyed[2];   /* by qc_digest, made at first use */
  qc_hmac day;        /* TC3 signing key of one day and service */
  char day_date[QC_DATE_SIZE];
  char day_service[QC_SERVICE_SIZE];
} qc_signer;

/* Copies the key (1 to QC_SECRET_MAX bytes) into a zeroed signer. */
int qc_signer_init(qc_signer *signer, const char *key, size_t key_len);

/* Wipes and frees; may be called again, and after a failed init. */
void qc_signer_clear(qc_signer *signer);

/* A parameter of an API 2.0 request; the texts belong to the caller. */
typedef struct {
  const char *name;
  size_t name_len;
  const char *value;
  size_t value_len;
} qc_param;

typedef struct {
  const char *method; /* "GET" or "POST" */
  size_t method_len;
  const char *host; /* as in the Host header */
  size_t host_len;
  const char *path; /* "/v2/index.php"; "/" on API 3.0 */
  size_t path_len;
  qc_param *params; /* all but Signature, sorted by qc_v2_sort */
  size_t count;
} qc_v2_request;

/* Sorts by name in byte order, as the signed text wants it. */
void qc_v2_sort(qc_param *params, size_t count);

/* Bytes of the string to sign. 0: they are more than QC_REQUEST_MAX. */
size_t qc_v2_text_length(const qc_v2_request *request);

/*
 * Writes the string to sign: method, host, path, '?', then name=value joined
 * with '&', values as they are. On any path but "/" an underscore in a name
 * becomes a dot, unless the name begins with one (the rule and its exception
 * are those of Tencent's API 2.0 clients for PHP and Node). Returns the end.
 */
char *qc_v2_text(char *out, const qc_v2_request *request);

/* Signs a string to sign: Base64 with a terminator. */
int qc_v2_sign(qc_signer *signer, qc_digest digest, const char *text,
               size_t len, char signature[QC_SIGNATURE_MAX]);

/* Bytes that no wire form of a request exceeds, with any signature.
   text_len: from qc_v2_text_length. */
size_t qc_v2_wire_bound(size_t text_len);

/* Writes all parameters and Signature, percent-encoded; returns the end. */
char *qc_v2_wire(char *out, const qc_v2_request *request,
                 const char *signature);

typedef struct {
  const char *method;
  size_t method_len;
  const char *query; /* as sent; empty for POST */
  size_t query_len;
  const char *content_type; /* as sent */
  size_t content_type_len;
  const char *host; /* as in the Host header */
  size_t host_len;
  const char *action; /* value of X-TC-Action to sign too; NULL: not signed */
  size_t action_len;
  const char *payload; /* the body's bytes */
  size_t payload_len;
  const char *service; /* at most 15 bytes */
  int64_t timestamp;   /* 0 to QC_TIMESTAMP_MAX */
} qc_tc3_request;

/* What TC3 computes on the way, for tests and for people who debug. */
typedef struct {
  char date[QC_DATE_SIZE];
  char canonical_hash[2 * QC_SHA256_SIZE + 1];
  char signature[2 * QC_SHA256_SIZE + 1];
} qc_tc3_result;

/* The names of the headers that are signed, joined with ';'. */
const char *qc_tc3_signed_headers(const qc_tc3_request *request);

/* Bytes of the canonical request. 0: they are more than QC_REQUEST_MAX. */
size_t qc_tc3_canonical_length(const qc_tc3_request *request);

/*
 * Writes the canonical request to out (qc_tc3_canonical_length bytes, no
 * terminator). The signer gives its digest, not its key.
 */
int qc_tc3_canonical(qc_signer *signer, char *out,
                     const qc_tc3_request *request);

/* Bytes that hold every string to sign of TC3. */
#define QC_TC3_TEXT_MAX 160

/*
 * Writes the string to sign for a canonical request's hash, no terminator;
 * returns its length.
 */
size_t qc_tc3_text(char out[QC_TC3_TEXT_MAX], const qc_tc3_request *request,
                   const qc_tc3_result *result);

/*
 * Signs a canonical request made by qc_tc3_canonical. The day's key is kept
 * in the signer, for one date and service.
 */
int qc_tc3_sign(qc_signer *signer, const qc_tc3_request *request,
                const char *canonical, size_t canonical_len,
                qc_tc3_result *result);

/* Bytes that hold every Authorization header of TC3, but for the id. */
#define QC_TC3_AUTHORIZATION_MAX 240

/* Writes the value of the Authorization header, no terminator; returns its
   length. */
size_t qc_tc3_authorization(char *out, const char *id, size_t id_len,
                            const qc_tc3_request *request,
                            const qc_tc3_result *result);

#endif
