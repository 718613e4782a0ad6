/*
 * cli_process.c - standard streams, signals and the terminal of a command.
 * Part of qcimage, see LICENSE.
 */
#include "cli_process.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int qc_reserve_stdio(void)
{
  int descriptor;
  for (descriptor = 0; descriptor <= 2; descriptor++) {
    int taken;
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF)
      continue;
    /* the wrong way round: reads of 0 fail, and writes to 1 and 2 */
    taken = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
    if (taken < 0)
      return errno;
    if (taken != descriptor) { /* another thread was quicker */
      (void)close(taken);
      return EBADF;
    }
  }
  return 0;
}

static int act(int number, void (*action)(int), int flags)
{
  struct sigaction wanted;
  memset(&wanted, 0, sizeof(wanted));
  wanted.sa_handler = action;
  wanted.sa_flags = flags;
  if (sigemptyset(&wanted.sa_mask) != 0 ||
      sigaction(number, &wanted, NULL) != 0)
    return errno;
  return 0;
}

/* Calls only what POSIX allows in a handler. */
void qc_reraise_signal(int number)
{
  sigset_t set;
  int is_set = act(number, SIG_DFL, 0) == 0; /* fails for two of glibc's */
  if (sigemptyset(&set) == 0 && sigaddset(&set, number) == 0)
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
  if (is_set || number == SIGKILL || number == SIGSTOP)
    (void)raise(number);
  _exit(128 + number); /* the kernel spares PID 1, and some signals end none */
}

/* The signals that a shell, a container or a terminal ends a command by. */
static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

/* Sets the action of those of them that are not ignored (nohup). */
static int act_on_endings(void (*action)(int), int flags)
{
  int problem = 0;
  size_t i;
  for (i = 0; i < sizeof(endings) / sizeof(endings[0]) && problem == 0; i++) {
    struct sigaction before;
    if (sigaction(endings[i], NULL, &before) != 0)
      return errno;
    if (before.sa_handler != SIG_IGN)
      problem = act(endings[i], action, flags);
  }
  return problem;
}

int qc_default_sigint(void)
{
  if (getpid() == 1) /* to which the kernel gives no default action */
    return act_on_endings(qc_reraise_signal, 0);
  return act(SIGINT, SIG_DFL, 0);
}

int qc_ignore_sigpipe(void)
{
  return act(SIGPIPE, SIG_IGN, 0);
}

static volatile sig_atomic_t noted;

static void note(int number)
{
  static const char text[] =
      "\nqcimage: ended at once; a change that was under way may have been "
      "made: --resume with the journal finds out\n";
  int kept = errno;
  if (noted == 0) {
    noted = number;
  } else {
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written; /* nowhere else to report to */
    qc_reraise_signal(number);
  }
  errno = kept;
}

int qc_catch_signals(void)
{
  noted = 0;
  return act_on_endings(note, SA_RESTART); /* or writes would fail */
}

int qc_caught_signal(void)
{
  return noted;
}

static char last_words[QC_LAST_WORDS_MAX];
static volatile sig_atomic_t last_words_size;

static void end_saying(int number)
{
  ssize_t written = write(STDERR_FILENO, last_words, (size_t)last_words_size);
  (void)written; /* nowhere else to report to */
  qc_reraise_signal(number);
}

int qc_end_saying(const char *text)
{
  size_t size = text != NULL ? strnlen(text, sizeof(last_words)) : 0;
  last_words_size = 0;
  if (size > 0)
    memcpy(last_words, text, size);
  last_words_size = (sig_atomic_t)size;
  return act_on_endings(text != NULL || getpid() == 1 ? end_saying : SIG_DFL,
                        0);
}

static volatile sig_atomic_t child; /* 0: none */

static void pass_on(int number)
{
  int kept = errno;
  noted = number;
  if (child != 0)
    (void)kill((pid_t)child, SIGTERM);
  errno = kept;
}

int qc_run(const char *command, int *status)
{
  sigset_t held, before;
  int problem, state = 0;
  pid_t pid;
  size_t i;
  (void)sigemptyset(&held);
  for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
    (void)sigaddset(&held, endings[i]);
  problem = act_on_endings(pass_on, 0);
  if (problem != 0 || sigprocmask(SIG_BLOCK, &held, &before) != 0)
    return problem != 0 ? problem : errno;
  pid = fork();
  problem = pid < 0 ? errno : 0;
  child = pid > 0 ? (sig_atomic_t)pid : 0;
  (void)sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid == 0) {
    (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  while (problem == 0 && waitpid(pid, &state, 0) < 0)
    problem = errno == EINTR ? 0 : errno;
  child = 0;
  *status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return problem;
}

int qc_terminal_columns(int descriptor)
{
  struct winsize size;
  if (!isatty(descriptor))
    return -1;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0)
    return 0;
  return size.ws_col;
}
