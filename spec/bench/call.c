/*
 * call.c - the yardstick for a call: a bare libcurl program that sends the
 * bytes that the client sends, over a kept connection. usage: call URL VERSION
 * [ROUNDS]. Prints microseconds of wall and of CPU time.
 */
#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char body2[] =
    "Action=ModifyImageAttributes&Nonce=8233125559952060&Region=gz"
    "&SecretId=AKIDqcimageEXAMPLE000000000000000001"
    "&SignatureMethod=HmacSHA256&Timestamp=1700000000"
    "&imageDescription=descrip&imageId=img-12345678&imageName=testName"
    "&Signature=wUsW08EY33ZZVCw07BUJz84n5VCTePWYJzVe62BNVGk%3D";
static const char body3[] =
    "{\"ImageDescription\":\"descrip\",\"ImageId\":\"img-12345678\","
    "\"ImageName\":\"testName\"}";

/* What both versions send, ended by NULL; then API 3.0 alone. */
static const char *const both[] = {"Expect:", "Accept-Encoding: identity",
                                   "User-Agent: qcimage/0.9.0", NULL};
static const char *const more[] = {
    "Content-Type: application/json; charset=utf-8",
    "Authorization: TC3-HMAC-SHA256 Credential=AKIDqcimageEXAMPLE000000000000"
    "000001/2023-11-14/cvm/tc3_request, SignedHeaders=content-type;host, "
    "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
    "ef",
    "X-TC-Action: ModifyImageAttribute",
    "X-TC-Version: 2017-03-12",
    "X-TC-Timestamp: 1700000000",
    "X-TC-Region: ap-guangzhou",
    NULL};

static double seconds(clockid_t clock)
{
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t drop(char *bytes, size_t size, size_t count, void *user)
{
  (void)bytes, (void)user;
  return size * count;
}

static struct curl_slist *add(struct curl_slist *list, const char *const *line)
{
  for (; *line != NULL; line++) {
    list = curl_slist_append(list, *line);
    if (list == NULL)
      exit(1);
  }
  return list;
}

int main(int argc, char **argv)
{
  CURL *easy = curl_easy_init();
  struct curl_slist *headers = add(NULL, both);
  double wall = 0, cpu = 0;
  CURLcode code;
  int rounds = argc > 3 ? atoi(argv[3]) : 400, is3, i;
  if (argc < 3 || easy == NULL)
    return 2;
  is3 = strcmp(argv[2], "3.0") == 0;
  if (is3)
    headers = add(headers, more);
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
  for (i = -rounds / 10; i < rounds; i++) {
    if (i == 0) {
      wall = seconds(CLOCK_MONOTONIC);
      cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, is3 ? body3 : body2);
    code = curl_easy_perform(easy);
    if (code != CURLE_OK) {
      fprintf(stderr, "%s\n", curl_easy_strerror(code));
      return 1;
    }
  }
  printf("wall %.1f\n", (seconds(CLOCK_MONOTONIC) - wall) / rounds * 1e6);
  printf("cpu %.1f\n",
         (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / rounds * 1e6);
  curl_slist_free_all(headers);
  curl_easy_cleanup(easy);
  return 0;
}
