/*
 * http_handle.c - libcurl's handles of one client, see http_handle.h.
 * Part of qcimage, see LICENSE.
 *
 * libcurl 7.83 to 8.0 keep, in an easy handle, a pointer to the last header of
 * the previous response, which they free. Where the next response has a first
 * header line that begins with a blank, they continue that header, and the
 * process ends (curl issue 11101). There, each transfer gets an easy handle of
 * its own, and a multi handle keeps what lasts, but for TLS sessions, which
 * are shared.
 */
#include "http_handle.h"
#include "http_process.h"

/* Makes what lasts beyond an easy handle. */
static CURLcode make_lasting(qc_handle *handle)
{
  handle->multi = curl_multi_init();
  handle->share = curl_share_init();
  if (handle->multi == NULL || handle->share == NULL ||
      curl_share_setopt(handle->share, CURLSHOPT_SHARE,
                        CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
    return CURLE_OUT_OF_MEMORY;
  return CURLE_OK;
}

static void end_easy(qc_handle *handle)
{
  if (handle->multi != NULL && handle->easy != NULL)
    (void)curl_multi_remove_handle(handle->multi, handle->easy);
  curl_easy_cleanup(handle->easy); /* NULL is allowed */
  handle->easy = NULL;
}

CURLcode qc_handle_prepare(qc_handle *handle, int *is_new)
{
  CURLcode code = CURLE_OK;
  *is_new = 0;
  if (handle->easy != NULL && handle->multi == NULL)
    return CURLE_OK;
  if (!qc_process_ready())
    return CURLE_FAILED_INIT;
  if (handle->easy == NULL) {
    handle->birth = qc_process_forks();
    if (qc_process_keeps_headers())
      code = make_lasting(handle);
  }
  end_easy(handle);
  if (code == CURLE_OK && (handle->easy = curl_easy_init()) == NULL)
    code = CURLE_OUT_OF_MEMORY;
  if (code == CURLE_OK && handle->share != NULL)
    code = curl_easy_setopt(handle->easy, CURLOPT_SHARE, handle->share);
  *is_new = 1;
  if (code != CURLE_OK)
    qc_handle_end(handle);
  return code;
}

/* As curl_easy_perform does it. */
static CURLMcode perform_within(qc_handle *handle)
{
  CURLMcode code = curl_multi_add_handle(handle->multi, handle->easy);
  int running = 1;
  while (code == CURLM_OK) {
    code = curl_multi_perform(handle->multi, &running);
    if (code != CURLM_OK || running == 0)
      break;
#if LIBCURL_VERSION_NUM >= 0x074200
    code = curl_multi_poll(handle->multi, NULL, 0, 1000, NULL);
#else
    code = curl_multi_wait(handle->multi, NULL, 0, 1000, NULL);
#endif
  }
  return code;
}

CURLcode qc_handle_perform(qc_handle *handle)
{
  CURLMcode code;
  CURLMsg *message = NULL;
  int left;
  if (handle->multi == NULL)
    return curl_easy_perform(handle->easy);
  code = perform_within(handle);
  if (code == CURLM_OUT_OF_MEMORY)
    return CURLE_OUT_OF_MEMORY;
  if (code == CURLM_OK)
    message = curl_multi_info_read(handle->multi, &left);
  return message != NULL ? message->data.result : CURLE_FAILED_INIT;
}

void qc_handle_end(qc_handle *handle)
{
  qc_host_guard guard;
  qc_guard_host(&guard); /* TLS says goodbye */
  end_easy(handle);
  if (handle->multi != NULL)
    (void)curl_multi_cleanup(handle->multi);
  if (handle->share != NULL)
    (void)curl_share_cleanup(handle->share);
  handle->multi = NULL;
  handle->share = NULL;
  qc_unguard_host(&guard);
}
