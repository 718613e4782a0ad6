/*
 * journal.h - a file that is only appended to, by one process at a time, and
 * whose lines are on disk when that is asked for.
 * Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_JOURNAL_H
#define QCIMAGE_JOURNAL_H

#include <stddef.h>

/*
 * Opens a file for appending, mode 0600 where it is made, closed by exec, and
 * locks it (flock): the kernel frees the lock when the process ends, however
 * it ends. isNew: it must not be there yet; otherwise it must.
 * Gives a descriptor through fd and returns 0, or an errno: EEXIST where isNew
 * and something is there; EWOULDBLOCK where another process has the lock.
 */
int qc_journal_open(const char *path, int is_new, int *fd);

/*
 * Writes all of it. Returns 0, or an errno; then a part of it may be in the
 * file, and nothing may be appended to that.
 */
int qc_journal_append(int fd, const char *text, size_t len);

/* Waits until all is on disk. Returns 0, or an errno. */
int qc_journal_sync(int fd);

/* Closes it, which frees the lock. */
void qc_journal_close(int fd);

#endif
