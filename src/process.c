/*
 * process.c - standard streams, signals and the terminal of a command.
 * Part of qcimage, see LICENSE.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int qc_hold_streams(void)
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

static int act(int number, void (*action)(int))
{
  struct sigaction wanted;
  memset(&wanted, 0, sizeof(wanted));
  wanted.sa_handler = action;
  if (sigemptyset(&wanted.sa_mask) != 0 ||
      sigaction(number, &wanted, NULL) != 0)
    return errno;
  return 0;
}

int qc_end_on_interrupt(void)
{
  return act(SIGINT, SIG_DFL);
}

int qc_outlive_pipes(void)
{
  return act(SIGPIPE, SIG_IGN);
}

static volatile sig_atomic_t noted;

/* Only what POSIX allows in a handler. */
static void note(int number)
{
  static const char text[] =
      "\nqcimage: ended at once: a change was under way, and may have been "
      "made; --resume with the journal finds out\n";
  int kept = errno;
  if (noted == 0) {
    noted = number;
  } else {
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written; /* there is nobody else to tell */
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* comes when this handler is left */
  }
  errno = kept;
}

int qc_note_signals(void)
{
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  size_t i;
  noted = 0;
  for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    struct sigaction before, wanted;
    memset(&wanted, 0, sizeof(wanted));
    wanted.sa_handler = note;
    wanted.sa_flags = SA_RESTART; /* or writes of a report would fail */
    if (sigemptyset(&wanted.sa_mask) != 0 ||
        sigaction(numbers[i], NULL, &before) != 0)
      return errno;
    if (before.sa_handler != SIG_IGN && sigaction(numbers[i], &wanted, NULL))
      return errno;
  }
  return 0;
}

int qc_noted_signal(void)
{
  return noted;
}

int qc_end_by_signal(int number)
{
  int problem = act(number, SIG_DFL);
  if (problem == 0 && raise(number) != 0)
    problem = errno;
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
