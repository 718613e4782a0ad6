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

int qc_terminal_columns(int descriptor)
{
  struct winsize size;
  if (!isatty(descriptor))
    return -1;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0)
    return 0;
  return size.ws_col;
}
