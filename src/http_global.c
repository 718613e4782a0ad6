/*
 * http_global.c - libcurl in a process that has others in it, see
 * http_global.h and, for the versions, http.h. Part of qcimage, see LICENSE.
 */
#include "http_global.h"
#include "http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static int global_is_ready, forks_are_counted;

/* Not the process id, which may be 1 on both sides of a new PID namespace.
   Only written where a process has one thread. */
static unsigned long forks;

/* The lock is held through a fork, or the child might find it locked by a
   thread that it does not have. */
static void before_fork(void)
{
  (void)pthread_mutex_lock(&global_lock);
}

static void after_fork(void)
{
  (void)pthread_mutex_unlock(&global_lock);
}

static void after_fork_in_child(void)
{
  forks++;
  (void)pthread_mutex_unlock(&global_lock);
}

/* One curl_global_init, under a lock and never undone, because other code of
   the process may use libcurl too (curl.se/libcurl/c/curl_global_init.html).
   Not by pthread_once: it would keep a failure for want of memory for ever. */
int qc_global_ready(void)
{
  int ready;
  if (pthread_mutex_lock(&global_lock) != 0)
    return 0;
  if (!forks_are_counted)
    forks_are_counted =
        pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;
  if (forks_are_counted && !global_is_ready)
    global_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  ready = global_is_ready;
  (void)pthread_mutex_unlock(&global_lock);
  return ready;
}

unsigned long qc_global_forks(void)
{
  return forks;
}

static int has_pending_pipe(void)
{
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

void qc_host_state_save(qc_host_state *guard)
{
  sigset_t set;
  guard->was_pending = has_pending_pipe();
  guard->is_blocked = sigemptyset(&set) == 0 &&
                      sigaddset(&set, SIGPIPE) == 0 &&
                      pthread_sigmask(SIG_BLOCK, &set, &guard->mask) == 0;
  (void)ERR_set_mark(); /* 0: there is no error yet, nor will one stay */
}

void qc_host_state_restore(const qc_host_state *guard)
{
  sigset_t set;
  (void)ERR_pop_to_mark(); /* 0: no mark, all are gone */
  if (!guard->is_blocked)
    return;
  if (!guard->was_pending && has_pending_pipe() && sigemptyset(&set) == 0 &&
      sigaddset(&set, SIGPIPE) == 0) {
#if defined(_POSIX_REALTIME_SIGNALS) && _POSIX_REALTIME_SIGNALS > 0
    static const struct timespec at_once = {0, 0};
    (void)sigtimedwait(&set, NULL, &at_once); /* unless another thread did */
#else /* macOS and OpenBSD have no sigtimedwait */
    int number;
    (void)sigwait(&set, &number);
#endif
  }
  (void)pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
}

/* The version of libcurl in use, 0: it cannot be had. */
static unsigned int version_in_use(void)
{
  unsigned int version;
  if (pthread_mutex_lock(&global_lock) != 0)
    return 0;
  version = curl_version_info(CURLVERSION_NOW)->version_num;
  (void)pthread_mutex_unlock(&global_lock);
  return version;
}

int qc_global_keeps_headers(void)
{
  unsigned int version = version_in_use();
  return version >= 0x075300 && version < 0x080100;
}

int qc_global_trusts_default_folder(void)
{
  unsigned int version = version_in_use();
  return version >= 0x081500 && version < 0x081700;
}

int qc_global_reports_proxies(void)
{
  return version_in_use() >= 0x080a00;
}

int qc_global_shares_libssl(void)
{
  const char *ours = OpenSSL_version(OPENSSL_VERSION), *its;
  int is_same = 0;
  size_t len;
  if (strncmp(ours, "OpenSSL ", 8) != 0 ||
      pthread_mutex_lock(&global_lock) != 0)
    return 0;
  len = strcspn(ours + 8, " ");
  its = curl_version_info(CURLVERSION_NOW)->ssl_version;
  if (its != NULL && strncmp(its, "OpenSSL/", 8) == 0)
    is_same = strlen(its + 8) == len && strncmp(its + 8, ours + 8, len) == 0;
  (void)pthread_mutex_unlock(&global_lock);
  return is_same;
}

int qc_global_has_tls_proxy(void)
{
  static const char *const names[] = {"http_proxy", "https_proxy",
                                      "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  size_t i;
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    const char *proxy = getenv(names[i]);
    if (proxy != NULL && strncasecmp(proxy, "https:", 6) == 0)
      return 1;
  }
  return 0;
}

/* The file and the folder of certificates that libcurl trusts by itself, or
   NULL: constants of its build. folder: only where OpenSSL looks into it. */
static void own_certificates(const char **file, const char **folder)
{
  *file = *folder = NULL;
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info;
  if (pthread_mutex_lock(&global_lock) != 0)
    return;
  info = curl_version_info(CURLVERSION_NOW); /* fills a table of all threads */
  if (info->age >= CURLVERSION_SEVENTH) {
    *file = info->cainfo;
    if (info->ssl_version != NULL &&
        strncmp(info->ssl_version, "OpenSSL/", 8) == 0)
      *folder = info->capath;
  }
  (void)pthread_mutex_unlock(&global_lock);
#endif
}

const char *qc_http_ca_file(void)
{
  const char *file, *folder;
  own_certificates(&file, &folder);
  return file;
}

int qc_global_has_ca_folder(void)
{
  const char *file, *folder;
  own_certificates(&file, &folder);
  return file != NULL && folder != NULL;
}

void qc_http_version(char *text, size_t size)
{
  text[0] = '\0';
  if (pthread_mutex_lock(&global_lock) != 0)
    return;
  (void)snprintf(text, size, "%s",
                 curl_version()); /* a buffer of all threads */
  (void)pthread_mutex_unlock(&global_lock);
}

const char *qc_http_build_version(void)
{
  return LIBCURL_VERSION;
}
