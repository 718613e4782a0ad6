/*
 * fuzz_sign.c - signing and encoding, against slower code of another kind:
 * what is written decodes to what was given, has the length that was
 * foretold, and carries the HMAC that libcrypto's own function gives.
 * Part of qcimage, see LICENSE.
 *
 * Input: a byte of choices, then lines: method, host, path, content type,
 * query, and names and values in turn.
 */
#include "fuzz.h"
#include "../../src/encode.h"
#include "../../src/limits.h"
#include "../../src/sign.h"

#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PARAMS 40

static int digit_value(char c)
{
  static const char digits[] = "0123456789ABCDEF";
  const char *at = c != '\0' ? strchr(digits, c) : NULL;
  MUST(at != NULL); /* capital digits alone */
  return (int)(at - digits);
}

/* Reads percent-encoded text up to a byte, and compares it. Returns what
   comes after that byte. */
static const char *decodes_to(const char *at, const char *end, char stop,
                              const char *text, size_t len)
{
  size_t i = 0;
  while (at < end && *at != stop) {
    char c = *at++;
    if (c == '%') {
      MUST(end - at >= 2);
      c = (char)(digit_value(at[0]) * 16 + digit_value(at[1]));
      at += 2;
    } else {
      MUST((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || strchr("-_.~", c) != NULL);
    }
    MUST(i < len && text[i] == c);
    i++;
  }
  MUST(i == len);
  return at < end ? at + 1 : at;
}

/* Code points by the table of RFC 3629, section 4; -1: none such. */
static long count_points(const unsigned char *text, size_t len)
{
  long points = 0;
  size_t at = 0;
  while (at < len) {
    unsigned long value = text[at];
    size_t more = value < 0x80   ? 0
                  : value < 0xC0 ? 9
                  : value < 0xE0 ? 1
                  : value < 0xF0 ? 2
                  : value < 0xF8 ? 3
                                 : 9;
    static const unsigned long least[] = {0, 0x80, 0x800, 0x10000};
    size_t i;
    if (more > 3 || len - at <= more)
      return -1;
    value = more == 0 ? value : value & (0x3FU >> more);
    for (i = 1; i <= more; i++) {
      if ((text[at + i] & 0xC0) != 0x80)
        return -1;
      value = value << 6 | (text[at + i] & 0x3FU);
    }
    if (value < least[more] || value > 0x10FFFF ||
        (value >= 0xD800 && value <= 0xDFFF))
      return -1;
    at += more + 1;
    points++;
  }
  return points;
}

static int is_before(const qc_param *a, const qc_param *b)
{
  size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
  int order = memcmp(a->name, b->name, shorter);
  return order != 0 ? order < 0 : a->name_len < b->name_len;
}

static void check_v2(qc_v2_request *request, const char *key, size_t key_len,
                     qc_digest digest)
{
  size_t text_len = qc_v2_text_length(request), i;
  size_t bound = qc_v2_wire_bound(text_len), wire_len;
  char *text = malloc(text_len), *wire = malloc(bound);
  char signature[QC_SIGNATURE_MAX];
  unsigned char raw[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
  unsigned int raw_len;
  const char *at;
  qc_signer signer = {0};
  MUST(text != NULL && wire != NULL);

  qc_v2_sort(request->params, request->count);
  for (i = 1; i < request->count; i++)
    MUST(!is_before(&request->params[i], &request->params[i - 1]));
  MUST(qc_v2_text(text, request) == text + text_len);

  MUST(qc_signer_init(&signer, key, key_len));
  MUST(qc_v2_sign(&signer, digest, text, text_len, signature));
  qc_signer_clear(&signer);
  MUST(HMAC(digest == QC_SHA1 ? EVP_sha1() : EVP_sha256(), key, (int)key_len,
            (unsigned char *)text, text_len, raw, &raw_len) != NULL);
  MUST(EVP_EncodeBlock(base64, raw, (int)raw_len) > 0);
  MUST(strcmp((char *)base64, signature) == 0);

  wire_len = (size_t)(qc_v2_wire(wire, request, signature) - wire);
  MUST(wire_len <= bound);
  at = wire;
  for (i = 0; i < request->count; i++) {
    const qc_param *param = &request->params[i];
    at = decodes_to(at, wire + wire_len, '=', param->name, param->name_len);
    at = decodes_to(at, wire + wire_len, '&', param->value, param->value_len);
  }
  at = decodes_to(at, wire + wire_len, '=', "Signature", 9);
  at = decodes_to(at, wire + wire_len, '&', signature, strlen(signature));
  MUST(at == wire + wire_len);
  free(text);
  free(wire);
}

static void hex_of(char *out, const unsigned char *bytes)
{
  size_t i;
  for (i = 0; i < 32; i++)
    snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void check_tc3(const qc_tc3_request *request, const char *key,
                      size_t key_len)
{
  size_t len = qc_tc3_canonical_length(request);
  char *canonical = malloc(len), text[QC_TC3_TEXT_MAX], hash[65];
  unsigned char day[3 + QC_SECRET_MAX], raw[EVP_MAX_MD_SIZE];
  unsigned int size = (unsigned int)(key_len + 3);
  const char *parts[4];
  qc_signer signer = {0};
  qc_tc3_result result, again;
  time_t seconds = (time_t)request->timestamp;
  struct tm date;
  char expected[11];
  size_t i;

  MUST(canonical != NULL && qc_signer_init(&signer, key, key_len));
  memset(canonical, '\x01', len);
  MUST(qc_tc3_canonical(&signer, canonical, request));
  MUST(EVP_Digest(request->payload, request->payload_len, raw, NULL,
                  EVP_sha256(), NULL));
  hex_of(hash, raw);
  MUST(memcmp(canonical + len - 64, hash, 64) == 0); /* not shorter */
  MUST(qc_tc3_sign(&signer, request, canonical, len, &result));
  MUST(qc_tc3_sign(&signer, request, canonical, len, &again));
  qc_signer_clear(&signer);
  MUST(strcmp(result.signature, again.signature) == 0);

  MUST(gmtime_r(&seconds, &date) != NULL &&
       strftime(expected, sizeof(expected), "%Y-%m-%d", &date) == 10);
  MUST(strcmp(result.date, expected) == 0);
  MUST(EVP_Digest(canonical, len, raw, NULL, EVP_sha256(), NULL));
  hex_of(hash, raw);
  MUST(strcmp(result.canonical_hash, hash) == 0);

  text[qc_tc3_text(text, request, &result)] = 0;
  memcpy(day, "TC3", 3);
  memcpy(day + 3, key, key_len);
  parts[0] = result.date;
  parts[1] = request->service;
  parts[2] = "tc3_request";
  parts[3] = text;
  for (i = 0; i < 4; i++) {
    MUST(HMAC(EVP_sha256(), day, (int)size, (const unsigned char *)parts[i],
              strlen(parts[i]), raw, &size) != NULL);
    memcpy(day, raw, size);
  }
  hex_of(hash, raw);
  MUST(strcmp(result.signature, hash) == 0);
  free(canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  fuzz_input input = {(const char *)data, size};
  unsigned choices = fuzz_byte(&input);
  qc_param params[PARAMS];
  qc_v2_request v2 = {NULL, 0, NULL, 0, NULL, 0, params, 0};
  qc_tc3_request v3 = {NULL, 0,    NULL, 0,    NULL, 0,     NULL,
                       0,    NULL, 0,    NULL, 0,    "cvm", 0};
  char key[QC_SECRET_MAX], *texts[6 + 2 * PARAMS];
  size_t lengths[6 + 2 * PARAMS], count = 0, key_len, i;

  if (size > 20000)
    return 0;
  for (i = 0; i < 7; i++)
    v3.timestamp = v3.timestamp * 256 + fuzz_byte(&input);
  v3.timestamp %= QC_TIMESTAMP_MAX + 1;
  while (count < 6 || (input.left > 0 && count < 6 + 2 * PARAMS)) {
    texts[count] = fuzz_line(&input, &lengths[count]);
    count++;
  }
  key_len = lengths[5] < QC_SECRET_MAX ? lengths[5] : QC_SECRET_MAX;
  memcpy(key, texts[5], key_len);
  if (key_len == 0)
    key[key_len++] = 'k';

  MUST(qc_utf8_length((const char *)data, size) == count_points(data, size));

  v2.method = texts[0], v2.method_len = lengths[0];
  v2.host = texts[1], v2.host_len = lengths[1];
  v2.path = choices & 1 ? "/" : texts[2];
  v2.path_len = choices & 1 ? 1 : lengths[2];
  for (i = 6; i + 1 < count; i += 2) {
    params[v2.count].name = texts[i];
    params[v2.count].name_len = lengths[i];
    params[v2.count].value = texts[i + 1];
    params[v2.count++].value_len = lengths[i + 1];
  }
  check_v2(&v2, key, key_len, choices & 2 ? QC_SHA1 : QC_SHA256);

  v3.method = texts[0], v3.method_len = lengths[0];
  v3.host = texts[1], v3.host_len = lengths[1];
  v3.content_type = texts[3], v3.content_type_len = lengths[3];
  v3.query = texts[4], v3.query_len = lengths[4];
  v3.payload = (const char *)data, v3.payload_len = size;
  if (choices & 4)
    v3.action = texts[2], v3.action_len = lengths[2];
  check_tc3(&v3, key, key_len);

  for (i = 0; i < count; i++)
    free(texts[i]);
  return 0;
}
