/*
 * cli_process.h - what a command asks of its process: its standard streams,
 * its signals, its terminal. For the command alone: the library leaves the
 * host's signals and descriptors as they are. Knows no Lua. Part of qcimage,
 * see LICENSE.
 */
#ifndef QCIMAGE_CLI_PROCESS_H
#define QCIMAGE_CLI_PROCESS_H

/*
 * Makes sure that the descriptors 0, 1 and 2 are taken, so that no file or
 * socket that is opened later is written to as if it were a standard stream.
 * One that was closed fails at reads and writes as before. Returns 0, or an
 * errno.
 */
int qc_reserve_stdio(void);

/*
 * Gives SIGINT its default action: Ctrl-C then ends the process at once, in a
 * call, too, by the signal, so that a shell's loop stops. (The handler of lua
 * waits for the next instruction of Lua.) As PID 1, SIGINT, SIGTERM and SIGHUP
 * end it with the exit code 128 + the signal. Returns 0, or an errno.
 */
int qc_default_sigint(void);

/*
 * Ignores SIGPIPE: a write to a closed pipe then fails, and can be reported.
 * Returns 0, or an errno.
 */
int qc_ignore_sigpipe(void);

/*
 * From now on SIGINT, SIGTERM and SIGHUP are only noted, so that what is under
 * way can come to its end; one that was ignored stays ignored (nohup). A
 * second one ends the process at once, by its default action, after one line
 * on stderr. Returns 0, or an errno.
 */
int qc_catch_signals(void);

/* The signal that was noted; 0: none. */
int qc_caught_signal(void);

/*
 * Ends the process by a signal's default action, as if nothing had held it
 * up; where that does not end it (as PID 1), with the exit code 128 + number.
 * Does not return.
 */
void qc_reraise_signal(int number);

/*
 * From now on SIGINT, SIGTERM and SIGHUP (unless ignored) write a text to
 * stderr and then end the process as qc_reraise_signal does. The text is
 * copied, QC_LAST_WORDS_MAX bytes at most; NULL: they end it without a text
 * again. Returns 0, or an errno.
 */
int qc_end_saying(const char *text);

/*
 * Runs a command of the shell and waits for its end. SIGINT, SIGTERM and
 * SIGHUP are noted, and end the command by SIGTERM. Returns 0 and its exit
 * status (128 + the signal that ended it), or an errno.
 */
int qc_run(const char *command, int *status);

/*
 * Columns of the terminal behind a descriptor; 0 where the terminal does not
 * know; -1 where there is no terminal.
 */
int qc_terminal_columns(int descriptor);

#endif
