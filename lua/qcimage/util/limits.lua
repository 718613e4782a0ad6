--- limits.lua - the limits that a call meets, each with its reason. Those of the C core stand in src/limits.h;
--- those that are one file's own business (what a message shows, how deep JSON may nest), in that file.
--- Pure. Part of qcimage, see LICENSE.

return {
  -- Bytes of a request as sent, by API version and method: what API 3.0 documents
  -- (cloud.tencent.com/document/product/1278/46710); API 2.0 documents none, so its forms are held
  -- to the limits of API 3.0's forms.
  requestBytes = {
    ["2.0"] = { GET = 32 * 1024, POST = 1024 * 1024 },
    ["3.0"] = { POST = 10 * 1024 * 1024 },
  },

  -- Bytes and number of the parameters of a form, before it is encoded: below what the signer takes
  -- (src/limits.h), and far above what an action needs.
  formBytes = 4 * 1024 * 1024,
  formParams = 1000,

  -- Bytes of an answer: a page of 100 images has about 100 KB.
  responseBytes = 4 * 1024 * 1024,
  -- In nginx: to decode one of 4 MiB can hold up a worker for a third of a second.
  nginxResponseBytes = 1024 * 1024,

  -- Bytes of an answer's head: real ones have under 1 KB.
  headerBytes = 64 * 1024,
  -- Lines of an answer's head.
  headerLines = 256,

  -- Seconds. A call of the service takes well under one; 60 s is what Tencent's clients wait, at no
  -- limit on the whole.
  timeout = 30,
  attemptTimeout = 10,
  connectTimeout = 5,
  -- Seconds of a modification's timeout that are kept for reading the image back, and the most of it: a lost answer
  -- often takes all the time that an attempt has.
  readBack = 1,
  readBackPart = 1 / 10,
  -- Seconds that `wait` waits: an image of a large disk takes minutes.
  waitTimeout = 600,
  -- Longest timeout that an option may set: a day, far below what C counts in milliseconds.
  longestTimeout = 86400,

  -- Seconds that a function of credentials may need: its failure, when it had less, is not shared with calls that have
  -- more.
  credentialsWait = 5,

  -- Idle connections that a worker of nginx keeps for an endpoint, and the most that may be told.
  poolSize = 30,
  mostPoolSize = 1000,
  -- Seconds that one is kept: servers and what stands before them close it after a minute or so.
  poolIdle = 30,
  longestPoolIdle = 60,

  -- Of the metadata service, which is near or not there at all: seconds, and bytes of an answer.
  metadataConnectTimeout = 1,
  metadataBytes = 64 * 1024,

  maxAttempts = 3,
  -- More attempts than this are a mistake, whatever the wait between them.
  mostAttempts = 100,

  -- Seconds that a limiter lets a call wait at most. A queue of places longer than this helps nobody, and a
  -- state further ahead is no queue.
  limiterWait = 60,
  -- Seconds of a call that a limiter's wait leaves to the attempt at most; half of what is left, if that is less.
  reservedForAttempt = 1,

  -- Images of a page that `each` asks for: the most that DescribeImages gives.
  pageSize = 100,
  -- Images that it gives at most: a region has a few hundred of a user's own, and some hundred public ones.
  images = 100000,

  -- A clock above this gives milliseconds: as seconds it is in the year 5138.
  latestTime = 1e11,
}
