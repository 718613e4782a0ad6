/*
 * process.c - what a command takes from its start to its end. usage: process
 * COUNT COMMAND… Runs it COUNT times, without its output, and prints the means
 * of wall and of CPU time in milliseconds, and the most memory in MB. A
 * command that fails ends it.
 */
#define _DEFAULT_SOURCE /* wait4 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double milliseconds(struct timeval t)
{
  return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void become(char **command)
{
  int null = open("/dev/null", O_WRONLY);
  if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
    _exit(126);
  execvp(command[0], command);
  _exit(127);
}

int main(int argc, char **argv)
{
  int count = argc > 2 ? atoi(argv[1]) : 0, i, status;
  double wall = 0, cpu = 0;
  long most = 0;
  if (count <= 0)
    return 2;
  for (i = 0; i < count; i++) {
    struct rusage usage;
    double start = now();
    pid_t pid = fork();
    if (pid == 0)
      become(argv + 2);
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) {
      fprintf(stderr, "%s failed\n", argv[2]);
      return 1;
    }
    wall += now() - start;
    cpu += milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
    if (usage.ru_maxrss > most)
      most = usage.ru_maxrss;
  }
  printf("wall %.3f\ncpu %.3f\nmemory %.2f\n", wall / count, cpu / count,
         (double)most / 1024);
  return 0;
}
