/*
 * journal.c - a file that is only appended to, see journal.h.
 * Part of qcimage, see LICENSE.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int qc_journal_open(const char *path, int is_new, int *fd)
{
  int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
  int descriptor, problem = 0;
  do {
    descriptor = open(path, is_new ? flags | O_CREAT | O_EXCL : flags,
                      S_IRUSR | S_IWUSR);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0)
    return errno;
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
    problem = errno;
  if (problem != 0) {
    qc_journal_close(descriptor);
    return problem;
  }
  *fd = descriptor;
  return 0;
}

int qc_journal_append(int fd, const char *text, size_t len)
{
  while (len > 0) {
    ssize_t written = write(fd, text, len);
    if (written < 0) {
      if (errno != EINTR)
        return errno;
    } else {
      text += written;
      len -= (size_t)written;
    }
  }
  return 0;
}

int qc_journal_sync(int fd)
{
#ifdef __APPLE__ /* whose headers have no fdatasync */
  return fsync(fd) == 0 ? 0 : errno;
#else
  return fdatasync(fd) == 0 ? 0 : errno;
#endif
}

void qc_journal_close(int fd)
{
  (void)close(fd);
}
