/*
 * sign_test.c - the signer alone, against values from the RFCs and from the
 * documentation of the service. The full set of vectors is run by
 * sign_spec.lua.
 */
#include "check.h"
#include "../../src/limits.h"
#include "../../src/sign.h"

/* Base64 of the HMAC of a text, by a signer with that key. */
static int hmac_is(const char *key, size_t key_len, const char *text,
                   size_t len, const char *sha1, const char *sha256)
{
  qc_signer signer = {0};
  char signature[QC_SIGNATURE_MAX];
  int ok = qc_signer_init(&signer, key, key_len) &&
           qc_v2_sign(&signer, QC_SHA1, text, len, signature) &&
           strcmp(signature, sha1) == 0 &&
           qc_v2_sign(&signer, QC_SHA256, text, len, signature) &&
           strcmp(signature, sha256) == 0 &&
           /* the keyed contexts are used again */
           qc_v2_sign(&signer, QC_SHA1, text, len, signature) &&
           strcmp(signature, sha1) == 0;
  qc_signer_clear(&signer);
  return ok;
}

/* RFC 2202 (HMAC-SHA-1) and RFC 4231 (HMAC-SHA-256); test cases 1 and 2 have
   the same input in both. */
static void test_hmac(void)
{
  char key[131];
  char data[50];
  memset(key, 0x0b, 20);
  CHECK(hmac_is(key, 20, "Hi There", 8, "thcxhlUFcmTii8C2+zeMjvFGvgA=",
                "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c="));
  CHECK(hmac_is("Jefe", 4, "what do ya want for nothing?", 28,
                "7/zfauXrL6LSdBbV8YTfnCWafHk=",
                "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="));
  memset(key, 0xaa, 20);
  memset(data, 0xdd, 50);
  CHECK(hmac_is(key, 20, data, 50, "El1zQrmsEc2Ro5r0iqF7T2PxddM=",
                "dz6pHjaADkaFTbjr0JGBpylZCYs++MEi2WNVFM7VZf4="));
  /* a key longer than the block of the digest is hashed first */
  memset(key, 0xaa, 131);
  CHECK(hmac_is(key, 80,
                "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                "qkrl4VJy0A6VcFY3zoo7Ve1AIRI=",
                "aVMCXtlvDAn4Cpb3jmU42+LnuCDj3ZcOfd05CRsyNS8="));
}

static void test_v2_rules(void)
{
  qc_param params[] = {{"imageId", 7, "b", 1},     {"a.b", 3, "2", 1},
                       {"a_b", 3, "1_2", 3},       {"Action", 6, "X", 1},
                       {"_x_y", 4, "3", 1},        {"imageIds.10", 11, "4", 1},
                       {"imageIds.2", 10, "5", 1}, {"e", 1, "", 0}};
  qc_v2_request request = {"GET", 3, "h", 1, "/v2/index.php", 13, params, 8};
  static const char expected[] =
      "GETh/v2/index.php?Action=X&_x_y=3&a.b=2&a.b=1_2&e=&imageId=b"
      "&imageIds.10=4&imageIds.2=5";
  static const char wire[] = "Action=X&_x_y=3&a.b=2&a_b=1_2&e=&imageId=b"
                             "&imageIds.10=4&imageIds.2=5&Signature=s%2B";
  char out[256];
  size_t len;
  qc_v2_sort(params, 8);
  len = (size_t)(qc_v2_text(out, &request) - out);
  CHECK(len == strlen(expected) && memcmp(out, expected, len) == 0);
  CHECK(qc_v2_text_length(&request) == len);
  len = (size_t)(qc_v2_wire(out, &request, "s+") - out);
  CHECK(len == strlen(wire) && memcmp(out, wire, len) == 0);
  CHECK(qc_v2_wire_bound(qc_v2_text_length(&request)) >= len);

  /* names stay as they are on API 3.0's path */
  {
    qc_param one = {"a_b", 3, "1_2", 3};
    request.path = "/";
    request.path_len = 1;
    request.params = &one;
    request.count = 1;
    len = (size_t)(qc_v2_text(out, &request) - out);
    CHECK(len == 13 && memcmp(out, "GETh/?a_b=1_2", 13) == 0);
    CHECK(qc_v2_text_length(&request) == len);
  }

  request.count = 0;
  len = (size_t)(qc_v2_text(out, &request) - out);
  CHECK(len == 6 && memcmp(out, "GETh/?", 6) == 0);
  CHECK(qc_v2_text_length(&request) == len);
}

/* Authorization example of the documentation, with its sample key. */
static void test_tc3(void)
{
  static const char payload[] =
      "{\"Limit\": 1, \"Filters\": [{\"Values\": [\"\\u672a\\u547d\\u540d\"], "
      "\"Name\": \"instance-name\"}]}";
  static const char key[] = "********************************";
  qc_tc3_request request = {"POST",
                            4,
                            "",
                            0,
                            "application/json; charset=utf-8",
                            31,
                            "cvm.tencentcloudapi.com",
                            23,
                            "DescribeInstances",
                            17,
                            payload,
                            sizeof(payload) - 1,
                            "cvm",
                            1551113065};
  qc_tc3_result result;
  qc_signer signer = {0};
  char canonical[512];
  size_t len = qc_tc3_canonical_length(&request);
  int round;
  CHECK(qc_signer_init(&signer, key, sizeof(key) - 1));
  for (round = 0; round < 2; round++) { /* the second by the kept day key */
    CHECK(len < sizeof(canonical));
    CHECK(qc_tc3_canonical(&signer, canonical, &request));
    CHECK(qc_tc3_sign(&signer, &request, canonical, len, &result));
    CHECK(strcmp(result.date, "2019-02-25") == 0);
    CHECK(strcmp(result.signature, "10b1a37a7301a02ca19a647ad722d5e4"
                                   "3b4b3cff309d421d85b46093f6ab6c4f") == 0);
    /* another day in between must not leave its key */
    request.timestamp += 86400;
    CHECK(qc_tc3_sign(&signer, &request, canonical, len, &result));
    CHECK(strcmp(result.date, "2019-02-26") == 0);
    request.timestamp -= 86400;
  }
  request.timestamp = -1;
  CHECK(!qc_tc3_sign(&signer, &request, canonical, len, &result));
  request.timestamp = QC_TIMESTAMP_MAX + 1;
  CHECK(!qc_tc3_sign(&signer, &request, canonical, len, &result));
  request.timestamp = 0;
  request.service = "a-service-with-a-long-name";
  CHECK(!qc_tc3_sign(&signer, &request, canonical, len, &result));
  qc_signer_clear(&signer);
}

/* Lengths whose sum would wrap, or is just one too many. */
static void test_lengths(void)
{
  static const size_t huge[] = {(size_t)-1, (size_t)-100, (size_t)1 << 22};
  static qc_param params[QC_PARAMS_MAX];
  qc_v2_request v2 = {"GET", 3, "h", 1, "/", 1, params, QC_PARAMS_MAX};
  qc_tc3_request tc3 = {"POST", 4,  "", 0,  "t", 1,     "h",
                        1,      "", 0,  "", 0,   "cvm", 0};
  size_t *const parts[] = {&tc3.method_len, &tc3.query_len,
                           &tc3.content_type_len, &tc3.host_len,
                           &tc3.action_len};
  size_t i, n, len;
  for (n = 0; n < 3; n++) {
    for (i = 0; i < QC_PARAMS_MAX; i++)
      params[i].value_len = huge[n];
    CHECK(qc_v2_text_length(&v2) == 0);
    for (i = 0; i < QC_PARAMS_MAX; i++) {
      params[i].name_len = huge[n];
      params[i].value_len = 0;
    }
    CHECK(qc_v2_text_length(&v2) == 0);
  }
  v2.count = 1;
  for (i = 0; i < 2; i++) {
    params[0].name_len = 1;
    params[0].value_len = QC_REQUEST_MAX - 8 + i;
    CHECK(qc_v2_text_length(&v2) == (i == 0 ? QC_REQUEST_MAX : 0));
  }
  v2.path_len = (size_t)-1;
  CHECK(qc_v2_text_length(&v2) == 0);

  len = qc_tc3_canonical_length(&tc3);
  for (i = 0; i < 5; i++) {
    size_t before = *parts[i];
    *parts[i] = before + QC_REQUEST_MAX - len;
    CHECK(qc_tc3_canonical_length(&tc3) == QC_REQUEST_MAX);
    ++*parts[i];
    CHECK(qc_tc3_canonical_length(&tc3) == 0);
    *parts[i] = (size_t)-1;
    CHECK(qc_tc3_canonical_length(&tc3) == 0);
    *parts[i] = before;
  }
  for (i = 0; i < 5; i++)
    *parts[i] = (size_t)860 << 20; /* together about 2^32 */
  CHECK(qc_tc3_canonical_length(&tc3) == 0);
}

static void test_signer_bounds(void)
{
  static char key[QC_SECRET_MAX + 1];
  qc_signer signer = {0};
  CHECK(!qc_signer_init(&signer, key, 0));
  qc_signer_clear(&signer);
  CHECK(!qc_signer_init(&signer, key, QC_SECRET_MAX + 1));
  qc_signer_clear(&signer);
  memset(key, 'k', sizeof(key));
  CHECK(qc_signer_init(&signer, key, QC_SECRET_MAX));
  qc_signer_clear(&signer);
  CHECK(signer.key == NULL && signer.work == NULL);
  qc_signer_clear(&signer); /* once more */
}

int main(void)
{
  test_hmac();
  test_v2_rules();
  test_tc3();
  test_lengths();
  test_signer_bounds();
  return CHECK_RESULT();
}
