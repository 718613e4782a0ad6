/*
 * journal.c - a file that is only appended to, see journal.h.
 * Part of qcimage, see LICENSE.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The journals that are open, of all threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static qc_journal *first;
static int forks_are_watched;

/* The lock is held through a fork, or the child might find it locked by a
   thread that it does not have. */
static void before_fork(void)
{
  (void)pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
  (void)pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
  qc_journal *journal;
  for (journal = first; journal != NULL; journal = journal->next) {
    (void)close(journal->fd);
    journal->fd = -1;
  }
  first = NULL;
  (void)pthread_mutex_unlock(&lock);
}

static int enter(qc_journal *journal)
{
  int problem = pthread_mutex_lock(&lock);
  if (problem != 0)
    return problem;
  if (!forks_are_watched)
    problem = pthread_atfork(before_fork, after_fork, after_fork_in_child);
  if (problem == 0) {
    forks_are_watched = 1;
    journal->next = first;
    first = journal;
  }
  (void)pthread_mutex_unlock(&lock);
  return problem;
}

/* Opens without waiting: for a FIFO's reader, for one. Gives a descriptor
   through fd and returns 0, or as qc_journal_open does. */
static int open_file(const char *path, int flags, int *fd)
{
  struct stat status;
  int problem = 0;
  do {
    *fd = open(path, flags | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
               S_IRUSR | S_IWUSR);
  } while (*fd < 0 && errno == EINTR);
  if (*fd < 0) /* ENXIO: a FIFO without a reader, a socket */
    return errno == ENXIO ? QC_JOURNAL_NO_FILE : errno;
  if (fstat(*fd, &status) != 0 ||
      (S_ISREG(status.st_mode) && flock(*fd, LOCK_EX | LOCK_NB) != 0))
    problem = errno;
  else if (!S_ISREG(status.st_mode))
    problem = QC_JOURNAL_NO_FILE;
  if (problem != 0) {
    (void)close(*fd);
    if ((flags & O_EXCL) != 0) /* it is new; some disks know no locks */
      (void)unlink(path);
  }
  return problem;
}

int qc_journal_open(qc_journal *journal, const char *path, int is_new,
                    int follows)
{
  int fd, problem, flags = O_WRONLY | (follows ? 0 : O_NOFOLLOW);
  problem = open_file(path, is_new ? flags | O_CREAT | O_EXCL : flags, &fd);
  if (problem != 0)
    return problem;
  if (is_new)
    problem = qc_journal_sync_folder(path);
  if (problem == 0) {
    journal->fd = fd;
    problem = enter(journal);
  }
  if (problem != 0) {
    (void)close(fd);
    if (is_new)
      (void)unlink(path);
    return problem;
  }
  journal->is_open = 1;
  return 0;
}

/* fsync, of which some file systems know nothing for a folder. */
static int sync_descriptor(int fd)
{
  int done;
  do {
    done = fsync(fd);
  } while (done != 0 && errno == EINTR);
  return done == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

int qc_journal_sync_folder(const char *path)
{
  const char *slash = strrchr(path, '/');
  size_t len = slash == NULL ? 1 : (size_t)(slash - path) + 1;
  char *folder = malloc(len + 1);
  int fd, problem;
  if (folder == NULL)
    return ENOMEM;
  memcpy(folder, slash == NULL ? "." : path, len);
  folder[len] = '\0';
  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  problem = fd < 0 ? errno : sync_descriptor(fd);
  free(folder);
  if (fd >= 0)
    (void)close(fd);
  return problem == EACCES ? 0 : problem; /* one that can only be written */
}

int qc_journal_append(const qc_journal *journal, const char *text, size_t len)
{
  while (len > 0) {
    ssize_t written = write(journal->fd, text, len);
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

int qc_journal_sync(const qc_journal *journal)
{
#ifdef __APPLE__ /* whose headers have no fdatasync */
  return fsync(journal->fd) == 0 ? 0 : errno;
#else
  return fdatasync(journal->fd) == 0 ? 0 : errno;
#endif
}

void qc_journal_close(qc_journal *journal)
{
  qc_journal **at = &first;
  if (!journal->is_open)
    return;
  journal->is_open = 0;
  (void)pthread_mutex_lock(
      &lock); /* it fails only if this thread holds the lock */
  while (*at != NULL && *at != journal)
    at = &(*at)->next;
  if (*at != NULL)
    *at = journal->next;
  (void)pthread_mutex_unlock(&lock);
  if (journal->fd >= 0)
    (void)close(journal->fd);
}
