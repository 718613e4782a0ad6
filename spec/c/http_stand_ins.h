/*
 * http_stand_ins.h - what stands before functions of libcurl and libc in
 * http_test.c: notes how they are called, and has them fail. Part of qcimage,
 * see LICENSE.
 */
#ifndef QCIMAGE_HTTP_STAND_INS_H
#define QCIMAGE_HTTP_STAND_INS_H

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

static CURLcode (*original)(CURL *, CURLoption, ...);
static int is_old; /* 1: libcurl knows no option that is newer than 7.79 */
static int generations;        /* multi handles that were made */
static int is_full;            /* 1: no memory for a URL */
static __thread int by_folder; /* 1: the last was told to use no bundle */
static const char *other_tls;  /* that libcurl says it has, or NULL */
static __thread long forbids_reuse;
static unsigned int other_version; /* of libcurl, 0: as it is */
static char folders[2][64];        /* CAPATH, PROXY_CAPATH; "": none */
static int has_no_six;             /* 1: no sockets of IPv6 */
/* As given in this thread; another to put in its place. */
static __thread long idle_max, idle_put;
static __thread long most_ms, most_connect_ms;
static double distrusts; /* seconds after which the folder does not do */

/* By number, since a libcurl of that age has no names for them: 312 and 313,
   PREREQFUNCTION and PREREQDATA of 7.80, are the first. */
static int is_newer(CURLoption option)
{
  return (int)option % 10000 >= 312;
}

/* Stands before libcurl's. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
  va_list list;
  void *value;
  if (is_old && is_newer(option))
    return CURLE_UNKNOWN_OPTION;
  if (is_full && option == CURLOPT_URL)
    return CURLE_OUT_OF_MEMORY;
  va_start(list, option);
  if ((int)option / 10000 == 3) { /* wider than a pointer, on 32 bit */
    curl_off_t wide = va_arg(list, curl_off_t);
    va_end(list);
    return original(easy, option, wide);
  }
  value = va_arg(list, void *);
  va_end(list);
  if (option == CURLOPT_ERRORBUFFER) /* of a new easy handle */
    by_folder = 0;
  if (option == CURLOPT_CAPATH || option == CURLOPT_PROXY_CAPATH)
    (void)snprintf(folders[option == CURLOPT_PROXY_CAPATH], sizeof(folders[0]),
                   "%s", value == NULL ? "" : (const char *)value);
  if (option == CURLOPT_CAINFO)
    by_folder = value == NULL;
  if (option == CURLOPT_TIMEOUT_MS)
    most_ms = (long)value;
  if (option == CURLOPT_CONNECTTIMEOUT_MS)
    most_connect_ms = (long)value;
  if (option == CURLOPT_FORBID_REUSE)
    forbids_reuse = (long)value;
  if (option == CURLOPT_MAXAGE_CONN) {
    idle_max = (long)value;
    if (idle_put != 0)
      value = (void *)idle_put;
  }
  return original(easy, option, value);
}

CURLM *curl_multi_init(void)
{
  CURLM *(*init)(void);
  *(void **)&init = dlsym(RTLD_NEXT, "curl_multi_init");
  __atomic_add_fetch(&generations, 1, __ATOMIC_SEQ_CST);
  return init();
}

/* One that is distrusted is never moved on, and ends at once. */
static __thread CURL *distrusted;

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
  CURLMcode (*add)(CURLM *, CURL *);
  *(void **)&add = dlsym(RTLD_NEXT, "curl_multi_add_handle");
  distrusted = distrusts > 0 && by_folder ? easy : NULL;
  return add(multi, easy);
}

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events,
                                   int *running)
{
  CURLMcode (*act)(CURLM *, curl_socket_t, int, int *);
  *(void **)&act = dlsym(RTLD_NEXT, "curl_multi_socket_action");
  return distrusted != NULL ? CURLM_OK : act(multi, fd, events, running);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
  static CURLMsg failed;
  CURLMsg *(*read)(CURLM *, int *);
  if (distrusted != NULL) {
    failed.msg = CURLMSG_DONE;
    failed.easy_handle = distrusted;
    failed.data.result = CURLE_PEER_FAILED_VERIFICATION;
    distrusted = NULL;
    return &failed;
  }
  *(void **)&read = dlsym(RTLD_NEXT, "curl_multi_info_read");
  return read(multi, left);
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
  CURLcode (*getinfo)(CURL *, CURLINFO, ...);
  va_list list;
  void *value;
  va_start(list, info);
  value = va_arg(list, void *);
  va_end(list);
  if (distrusts > 0 && info == CURLINFO_TOTAL_TIME) {
    *(double *)value = distrusts;
    return CURLE_OK;
  }
  *(void **)&getinfo = dlsym(RTLD_NEXT, "curl_easy_getinfo");
  return getinfo(easy, info, value);
}

curl_version_info_data *curl_version_info(CURLversion version)
{
  static curl_version_info_data changed;
  curl_version_info_data *(*info)(CURLversion);
  *(void **)&info = dlsym(RTLD_NEXT, "curl_version_info");
  if (other_tls == NULL && other_version == 0)
    return info(version);
  changed = *info(version);
  if (other_tls != NULL)
    changed.ssl_version = other_tls;
  if (other_version != 0)
    changed.version_num = other_version;
  return &changed;
}

static int inits, cleanups;

CURLcode curl_global_init(long flags)
{
  CURLcode (*init)(long);
  *(void **)&init = dlsym(RTLD_NEXT, "curl_global_init");
  __atomic_add_fetch(&inits, 1, __ATOMIC_SEQ_CST);
  return init(flags);
}

void curl_global_cleanup(void)
{
  __atomic_add_fetch(&cleanups, 1, __ATOMIC_SEQ_CST);
}

static int inherited; /* sockets of connections that programs inherit */

/* By way of the next library, so that a checker of threads sees it. */
int socket(int family, int type, int protocol)
{
  int (*libc)(int, int, int);
  if (family == AF_INET && (type & 0xf) == SOCK_STREAM)
    __atomic_add_fetch(&inherited, (type & SOCK_CLOEXEC) == 0,
                       __ATOMIC_SEQ_CST);
  if (has_no_six && family == AF_INET6 && (type & 0xf) == SOCK_STREAM) {
    errno = EMFILE;
    return -1;
  }
  *(void **)&libc = dlsym(RTLD_NEXT, "socket");
  return libc(family, type, protocol);
}

/* As it may be on both sides of a new PID namespace. */
pid_t getpid(void)
{
  return 1;
}

static __thread int is_piping; /* 1: what is sent or closed raises SIGPIPE */

/* Stands before libc's, whose flag against SIGPIPE not all that libcurl calls
   (TLS) knows. */
ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
  if (is_piping) {
    (void)raise(SIGPIPE);
    errno = EPIPE;
    return -1;
  }
  return sendto(fd, bytes, len, flags, NULL, 0);
}

int close(int fd)
{
  int (*libc)(int);
  if (is_piping)
    (void)raise(SIGPIPE);
  *(void **)&libc = dlsym(RTLD_NEXT, "close");
  return libc(fd);
}

#endif
