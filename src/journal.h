/*
 * journal.h - a file that is only appended to, by one process at a time, and
 * whose lines are on disk when that is asked for.
 * Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_JOURNAL_H
#define QCIMAGE_JOURNAL_H

#include <stddef.h>

/* A journal; zeroed: none. In a forked process it is closed, so that the lock
   is the parent's alone; there fd is -1. */
typedef struct qc_journal {
  int is_open, fd;
  struct qc_journal *next; /* of those that are open */
} qc_journal;

/* The path is not that of a regular file. */
#define QC_JOURNAL_NO_FILE (-1)

/*
 * Opens a file for appending, mode 0600 where it is made, closed by exec, and
 * locks it (flock): the kernel frees the lock when the process ends, however
 * it ends. is_new: it must not exist yet, and its folder is on disk when
 * this returns; otherwise it must exist. follows: also through a symbolic
 * link; else that is ELOOP. Does not wait for anybody.
 * Returns 0, QC_JOURNAL_NO_FILE, or an errno: EEXIST where is_new and
 * the path exists; EWOULDBLOCK where another process has the lock. The
 * memory of the journal must not move while it is open.
 */
int qc_journal_open(qc_journal *journal, const char *path, int is_new,
                    int follows);

/*
 * Waits until the names in the folder that a file is in are on disk, after one
 * was made or renamed. Returns 0, or an errno.
 */
int qc_journal_sync_folder(const char *path);

/*
 * Writes all of it. Returns 0, or an errno; then a part of it may be in the
 * file, and nothing may be appended to that.
 */
int qc_journal_append(const qc_journal *journal, const char *text, size_t len);

/* Waits until all is on disk. Returns 0, or an errno. */
int qc_journal_sync(const qc_journal *journal);

/* Closes it, if it is open, which frees the lock. */
void qc_journal_close(qc_journal *journal);

#endif
