/*
 * call.c - the yardstick for a call: a bare libcurl program that posts a form
 * over a kept connection. usage: call URL. Prints microseconds of wall and of
 * CPU time.
 */
#include <curl/curl.h>

#include <stdio.h>
#include <time.h>

#define ROUNDS 5000

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

int main(int argc, char **argv)
{
  static const char body[] =
      "Action=ModifyImageAttributes&Nonce=8233125559952060&Region=gz"
      "&SecretId=AKIDqcimageEXAMPLE000000000000000001"
      "&SignatureMethod=HmacSHA256&Timestamp=1700000000"
      "&imageDescription=descrip&imageId=img-12345678&imageName=testName"
      "&Signature=wUsW08EY33ZZVCw07BUJz84n5VCTePWYJzVe62BNVGk%3D";
  CURL *easy = curl_easy_init();
  double wall = 0, cpu = 0;
  int i;
  if (argc != 2 || easy == NULL)
    return 2;
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
  for (i = -ROUNDS / 10; i < ROUNDS; i++) {
    if (i == 0) {
      wall = seconds(CLOCK_MONOTONIC);
      cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(easy) != CURLE_OK)
      return 1;
  }
  printf("wall %.1f\n", (seconds(CLOCK_MONOTONIC) - wall) / ROUNDS * 1e6);
  printf("cpu %.1f\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / ROUNDS * 1e6);
  curl_easy_cleanup(easy);
  return 0;
}
