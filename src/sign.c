/*
 * sign.c - the signatures of Tencent Cloud.
 * Pure: knows libcrypto, no Lua, no clock, no I/O. Part of qcimage, see
 * LICENSE.
 */
#include "sign.h"
#include "encode.h"
#include "limits.h"

#include <string.h>

#include <openssl/crypto.h>

#define HMAC_BLOCK 64 /* block size of SHA-1 and SHA-256, RFC 2104 */

/* Digests */

static EVP_MD_CTX *new_digest(const char *name)
{
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  int ok = 0;
  if (ctx != NULL) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
    ok = md != NULL && EVP_DigestInit_ex(ctx, md, NULL);
    EVP_MD_free(md); /* the context holds a reference */
#else
    const EVP_MD *md = EVP_get_digestbyname(name);
    ok = md != NULL && EVP_DigestInit_ex(ctx, md, NULL);
#endif
  }
  if (!ok) {
    EVP_MD_CTX_free(ctx);
    ctx = NULL;
  }
  return ctx;
}

/* Digest of one text by a copy of an empty context. After a failure the copy
   may be half made, and libcrypto (3.5) would crash on the next one. */
static int digest_of(const EVP_MD_CTX *empty, EVP_MD_CTX *work,
                     const void *text, size_t len,
                     unsigned char out[EVP_MAX_MD_SIZE], unsigned int *size)
{
  int ok = EVP_MD_CTX_copy_ex(work, empty) &&
           EVP_DigestUpdate(work, text, len) &&
           EVP_DigestFinal_ex(work, out, size);
  if (!ok)
    (void)EVP_MD_CTX_reset(work);
  return ok;
}

/* HMAC (RFC 2104) */

static void hmac_clear(qc_hmac *hmac)
{
  EVP_MD_CTX_free(hmac->inner);
  EVP_MD_CTX_free(hmac->outer);
  hmac->inner = NULL;
  hmac->outer = NULL;
}

static int hmac_init(qc_hmac *hmac, const char *digest,
                     const unsigned char *key, size_t key_len)
{
  unsigned char pad[HMAC_BLOCK] = {0};
  unsigned char hashed[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  int ok = 0;
  size_t i;
  hmac->inner = new_digest(digest);
  hmac->outer = new_digest(digest);
  if (hmac->inner == NULL || hmac->outer == NULL)
    goto done;
  if (key_len > HMAC_BLOCK) {
    /* outer serves as the scratch here, and is made empty again */
    EVP_MD_CTX *scratch = hmac->outer;
    if (!EVP_DigestUpdate(scratch, key, key_len) ||
        !EVP_DigestFinal_ex(scratch, hashed, &size) ||
        !EVP_MD_CTX_copy_ex(scratch, hmac->inner))
      goto done;
    memcpy(pad, hashed, size);
  } else {
    memcpy(pad, key, key_len);
  }
  for (i = 0; i < HMAC_BLOCK; i++)
    pad[i] ^= 0x36;
  if (!EVP_DigestUpdate(hmac->inner, pad, HMAC_BLOCK))
    goto done;
  for (i = 0; i < HMAC_BLOCK; i++)
    pad[i] ^= 0x36 ^ 0x5c;
  ok = EVP_DigestUpdate(hmac->outer, pad, HMAC_BLOCK);
done:
  OPENSSL_cleanse(pad, sizeof(pad));
  OPENSSL_cleanse(hashed, sizeof(hashed));
  if (!ok)
    hmac_clear(hmac);
  return ok;
}

static int hmac_sum(const qc_hmac *hmac, EVP_MD_CTX *work, const void *text,
                    size_t len, unsigned char out[EVP_MAX_MD_SIZE],
                    unsigned int *size)
{
  return digest_of(hmac->inner, work, text, len, out, size) &&
         digest_of(hmac->outer, work, out, *size, out, size);
}

/* Signer */

int qc_signer_init(qc_signer *signer, const char *key, size_t key_len)
{
  if (key_len == 0 || key_len > QC_SECRET_MAX)
    return 0;
  signer->key = OPENSSL_malloc(key_len);
  if (signer->key == NULL)
    return 0;
  memcpy(signer->key, key, key_len);
  signer->key_len = key_len;
  signer->work = EVP_MD_CTX_new();
  return signer->work != NULL;
}

void qc_signer_clear(qc_signer *signer)
{
  if (signer->key != NULL)
    OPENSSL_clear_free(signer->key, signer->key_len);
  EVP_MD_CTX_free(signer->work);
  EVP_MD_CTX_free(signer->sha256);
  hmac_clear(&signer->keyed[QC_SHA1]);
  hmac_clear(&signer->keyed[QC_SHA256]);
  hmac_clear(&signer->day);
  memset(signer, 0, sizeof(*signer));
}

/* API 2.0 */

static int name_before(const qc_param *a, const qc_param *b)
{
  size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
  int order = memcmp(a->name, b->name, shorter);
  return order < 0 || (order == 0 && a->name_len < b->name_len);
}

void qc_v2_sort(qc_param *params, size_t count)
{
  size_t i, j;
  for (i = 1; i < count; i++) {
    qc_param moving = params[i];
    for (j = i; j > 0 && name_before(&moving, &params[j - 1]); j--)
      params[j] = params[j - 1];
    params[j] = moving;
  }
}

/* Adds to a sum of lengths, unless it would exceed QC_REQUEST_MAX: on 32 bit
   a sum of what one large text gives many times would wrap. */
static int add_length(size_t *total, size_t len)
{
  if (len > QC_REQUEST_MAX - *total)
    return 0;
  *total += len;
  return 1;
}

size_t qc_v2_text_length(const qc_v2_request *request)
{
  size_t total = request->count > 0 ? 0 : 1; /* '?' */
  size_t i;
  if (!add_length(&total, request->method_len) ||
      !add_length(&total, request->host_len) ||
      !add_length(&total, request->path_len))
    return 0;
  for (i = 0; i < request->count; i++) /* '?' or '&', and '=' */
    if (!add_length(&total, request->params[i].name_len) ||
        !add_length(&total, request->params[i].value_len) ||
        !add_length(&total, 2))
      return 0;
  return total;
}

static char *append(char *out, const char *text, size_t len)
{
  if (len > 0)
    memcpy(out, text, len);
  return out + len;
}

static char *append_text(char *out, const char *text)
{
  return append(out, text, strlen(text));
}

static char *append_dotted(char *out, const char *name, size_t len)
{
  char *end = append(out, name, len);
  while ((out = memchr(out, '_', (size_t)(end - out))) != NULL)
    *out++ = '.';
  return end;
}

char *qc_v2_text(char *out, const qc_v2_request *request)
{
  int dots = !(request->path_len == 1 && request->path[0] == '/');
  size_t i;
  out = append(out, request->method, request->method_len);
  out = append(out, request->host, request->host_len);
  out = append(out, request->path, request->path_len);
  *out++ = '?';
  for (i = 0; i < request->count; i++) {
    const qc_param *param = &request->params[i];
    if (i > 0)
      *out++ = '&';
    if (dots && param->name_len > 0 && param->name[0] != '_')
      out = append_dotted(out, param->name, param->name_len);
    else
      out = append(out, param->name, param->name_len);
    *out++ = '=';
    out = append(out, param->value, param->value_len);
  }
  return out;
}

int qc_v2_sign(qc_signer *signer, qc_digest digest, const char *text,
               size_t len, char signature[QC_SIGNATURE_MAX])
{
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  qc_hmac *keyed = &signer->keyed[digest];
  if (keyed->inner == NULL &&
      !hmac_init(keyed, digest == QC_SHA1 ? "SHA1" : "SHA256", signer->key,
                 signer->key_len))
    return 0;
  if (!hmac_sum(keyed, signer->work, text, len, raw, &size) ||
      size > QC_SHA256_SIZE)
    return 0;
  return EVP_EncodeBlock((unsigned char *)signature, raw, (int)size) > 0;
}

size_t qc_v2_wire_bound(size_t text_len)
{
  /* each byte may become three */
  return 3 * (text_len + strlen("Signature=") + QC_SIGNATURE_MAX);
}

char *qc_v2_wire(char *out, const qc_v2_request *request,
                 const char *signature)
{
  size_t i;
  for (i = 0; i < request->count; i++) {
    const qc_param *param = &request->params[i];
    out = qc_percent(out, param->name, param->name_len);
    *out++ = '=';
    out = qc_percent(out, param->value, param->value_len);
    *out++ = '&';
  }
  out = append(out, "Signature=", strlen("Signature="));
  return qc_percent(out, signature, strlen(signature));
}

/* TC3-HMAC-SHA256 */

static int sha256_hex(qc_signer *signer, const void *text, size_t len,
                      char out[2 * QC_SHA256_SIZE])
{
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (signer->sha256 == NULL)
    signer->sha256 = new_digest("SHA256");
  if (signer->sha256 == NULL ||
      !digest_of(signer->sha256, signer->work, text, len, raw, &size))
    return 0;
  qc_hex(out, raw, QC_SHA256_SIZE);
  return 1;
}

#define CANONICAL_PATH   "\n/\n"
#define CANONICAL_TYPE   "\ncontent-type:"
#define CANONICAL_HOST   "\nhost:"
#define CANONICAL_ACTION "\nx-tc-action:"

const char *qc_tc3_signed_headers(const qc_tc3_request *request)
{
  return request->action != NULL ? "content-type;host;x-tc-action"
                                 : "content-type;host";
}

size_t qc_tc3_canonical_length(const qc_tc3_request *request)
{
  size_t total = strlen(CANONICAL_PATH) + strlen(CANONICAL_TYPE) +
                 strlen(CANONICAL_HOST) + strlen(CANONICAL_ACTION) +
                 strlen("\n\n") + strlen(qc_tc3_signed_headers(request)) +
                 strlen("\n") + 2 * QC_SHA256_SIZE;
  size_t action_len = request->action_len;
  if (request->action == NULL) {
    total -= strlen(CANONICAL_ACTION);
    action_len = 0;
  }
  return add_length(&total, request->method_len) &&
                 add_length(&total, request->query_len) &&
                 add_length(&total, request->content_type_len) &&
                 add_length(&total, request->host_len) &&
                 add_length(&total, action_len)
             ? total
             : 0;
}

/* Header values are signed in small letters. */
static char *append_lower(char *out, const char *text, size_t len)
{
  size_t i;
  for (i = 0; i < len; i++) {
    char c = text[i];
    *out++ = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  return out;
}

int qc_tc3_canonical(qc_signer *signer, char *out,
                     const qc_tc3_request *request)
{
  const char *names = qc_tc3_signed_headers(request);
  out = append(out, request->method, request->method_len);
  out = append(out, CANONICAL_PATH, strlen(CANONICAL_PATH));
  out = append(out, request->query, request->query_len);
  out = append(out, CANONICAL_TYPE, strlen(CANONICAL_TYPE));
  out = append_lower(out, request->content_type, request->content_type_len);
  out = append(out, CANONICAL_HOST, strlen(CANONICAL_HOST));
  out = append_lower(out, request->host, request->host_len);
  if (request->action != NULL) {
    out = append(out, CANONICAL_ACTION, strlen(CANONICAL_ACTION));
    out = append_lower(out, request->action, request->action_len);
  }
  out = append(out, "\n\n", 2);
  out = append(out, names, strlen(names));
  *out++ = '\n';
  return sha256_hex(signer, request->payload, request->payload_len, out);
}

/* What a signature is good for: a day and a service. */
static char *append_scope(char *out, const qc_tc3_request *request,
                          const qc_tc3_result *result)
{
  out = append(out, result->date, QC_DATE_SIZE - 1);
  *out++ = '/';
  out = append_text(out, request->service);
  return append_text(out, "/tc3_request");
}

size_t qc_tc3_text(char out[QC_TC3_TEXT_MAX], const qc_tc3_request *request,
                   const qc_tc3_result *result)
{
  char *end = append_text(out, "TC3-HMAC-SHA256\n");
  end = qc_decimal(end, (uint64_t)request->timestamp);
  *end++ = '\n';
  end = append_scope(end, request, result);
  *end++ = '\n';
  end = append(end, result->canonical_hash, 2 * QC_SHA256_SIZE);
  return (size_t)(end - out);
}

size_t qc_tc3_authorization(char *out, const char *id, size_t id_len,
                            const qc_tc3_request *request,
                            const qc_tc3_result *result)
{
  char *end = append_text(out, "TC3-HMAC-SHA256 Credential=");
  end = append(end, id, id_len);
  *end++ = '/';
  end = append_scope(end, request, result);
  end = append_text(end, ", SignedHeaders=");
  end = append_text(end, qc_tc3_signed_headers(request));
  end = append_text(end, ", Signature=");
  end = append(end, result->signature, 2 * QC_SHA256_SIZE);
  return (size_t)(end - out);
}

/* Makes signer->day the HMAC by the signing key of a date and service. */
static int day_key(qc_signer *signer, const char *date, const char *service)
{
  static const char prefix[] = {'T', 'C', '3'};
  unsigned char start[sizeof(prefix) + QC_SECRET_MAX];
  unsigned char key[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const char *parts[3];
  int i, ok;
  if (signer->day.inner != NULL && strcmp(signer->day_date, date) == 0 &&
      strcmp(signer->day_service, service) == 0)
    return 1;
  parts[0] = date;
  parts[1] = service;
  parts[2] = "tc3_request";
  memcpy(start, prefix, sizeof(prefix));
  memcpy(start + sizeof(prefix), signer->key, signer->key_len);
  hmac_clear(&signer->day);
  ok = hmac_init(&signer->day, "SHA256", start,
                 sizeof(prefix) + signer->key_len);
  for (i = 0; ok && i < 3; i++) {
    ok = hmac_sum(&signer->day, signer->work, parts[i], strlen(parts[i]), key,
                  &size);
    hmac_clear(&signer->day);
    ok = ok && hmac_init(&signer->day, "SHA256", key, size);
  }
  OPENSSL_cleanse(start, sizeof(start));
  OPENSSL_cleanse(key, sizeof(key));
  if (ok) {
    memcpy(signer->day_date, date, QC_DATE_SIZE);
    memcpy(signer->day_service, service, strlen(service) + 1);
  }
  return ok;
}

int qc_tc3_sign(qc_signer *signer, const qc_tc3_request *request,
                const char *canonical, size_t canonical_len,
                qc_tc3_result *result)
{
  char text[QC_TC3_TEXT_MAX];
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  size_t text_len;
  if (request->timestamp < 0 || request->timestamp > QC_TIMESTAMP_MAX ||
      strlen(request->service) >= sizeof(signer->day_service))
    return 0;
  memset(result, 0, sizeof(*result));
  qc_utc_date(result->date, request->timestamp);
  if (!sha256_hex(signer, canonical, canonical_len, result->canonical_hash))
    return 0;
  text_len = qc_tc3_text(text, request, result);
  if (!day_key(signer, result->date, request->service) ||
      !hmac_sum(&signer->day, signer->work, text, text_len, raw, &size))
    return 0;
  qc_hex(result->signature, raw, QC_SHA256_SIZE);
  return 1;
}
