/* bench/clients/measure.c - the CPU time of a program that does not print it
 *
 * usage: measure <program> [argument...]
 * Runs it and prints "cpu= user= sys= wall=" of it and what it waited for, as
 * the last line of standard output.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    struct rusage usage;
    int status;
    pid_t child;

    if (argc < 2) {
        fprintf(stderr, "usage: measure <program> [argument...]\n");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
        perror("measure");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("cpu=%.6f user=%.6f sys=%.6f wall=%.6f\n",
           seconds(usage.ru_utime) + seconds(usage.ru_stime),
           seconds(usage.ru_utime), seconds(usage.ru_stime),
           (double)(to.tv_sec - from.tv_sec) +
               (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
