--- limits.lua - the limits of a call, each with its reason. Those of the C core are in src/limits.h; those of a single file
--- (how much of a text a message shows, how deep JSON may nest) in that file.
--- Pure. Part of qcimage, see LICENSE.

return {
  -- Bytes of a request as sent, by API version and method, as documented for API 3.0
  -- (cloud.tencent.com/document/product/1278/46710). API 2.0 has no documented limits; its forms get those of API 3.0.
  requestBytes = {
    ["2.0"] = { GET = 32 * 1024, POST = 1024 * 1024 },
    ["3.0"] = { POST = 10 * 1024 * 1024 },
  },

  -- Bytes and number of the parameters of a form before encoding: below the signer's limit (src/limits.h), far above any
  -- action's need.
  formBytes = 4 * 1024 * 1024,
  formParams = 1000,

  -- Bytes of a response body: a page of 100 images has about 100 KB.
  responseBytes = 4 * 1024 * 1024,
  -- In nginx: decoding 4 MiB can block a worker for a third of a second.
  nginxResponseBytes = 1024 * 1024,

  -- Bytes of a response header: real ones have less than 1 KB.
  headerBytes = 64 * 1024,
  -- Lines of a response header.
  headerLines = 256,

  -- Seconds. A call of the service takes well under one; 60 s is what Tencent's clients wait, at no
  -- limit on the whole.
  timeout = 30,
  attemptTimeout = 10,
  connectTimeout = 5,
  -- Seconds of a modification's timeout reserved for the read-back, and its largest part of the timeout: a lost response
  -- often uses up all the time of an attempt.
  readBack = 1,
  readBackPart = 1 / 10,
  -- Items that a loop works at once, and the most: the service allows ten calls a second of an action.
  concurrency = 8,
  mostConcurrency = 64,
  -- Seconds of `wait`: an image of a large disk takes minutes.
  waitTimeout = 600,
  -- Seconds: the longest timeout, a day, far below what C can count in milliseconds; and the shortest of a call within
  -- another.
  longestTimeout = 86400,
  shortestTimeout = 0.001,

  -- Seconds that a credentials function may need: its failure in less time is not shared with calls that have more.
  credentialsWait = 5,

  -- Idle connections that a worker of nginx keeps per endpoint: default and maximum.
  poolSize = 30,
  mostPoolSize = 1000,
  -- Seconds that an idle connection is kept: servers and their gateways close it after about a minute.
  poolIdle = 30,
  longestPoolIdle = 60,

  -- The metadata service, which is near or absent: seconds to connect, bytes of a response.
  metadataConnectTimeout = 1,
  metadataBytes = 64 * 1024,

  maxAttempts = 3,
  -- More attempts than this are a mistake, whatever the wait between them.
  mostAttempts = 100,

  -- Seconds: the longest wait that a limiter may impose. A stored reservation further ahead is taken for corrupt.
  limiterWait = 60,
  -- Seconds that a limiter's wait leaves to the attempt; half of the remaining time, if that is less.
  reservedForAttempt = 1,

  -- Images per page that `each` asks for: the maximum of DescribeImages.
  pageSize = 100,
  -- Images that `each` returns at most: a region has a few hundred private and some hundred public ones.
  images = 100000,

  -- Larger times are probably milliseconds: as seconds, this is in the year 5138.
  latestTime = 1e11,
}
