/* bench/clients/tick.c - writes a newline so many times a second
 *
 * usage: tick <times a second>
 * For a program whose frames have to begin in time: it reads a line for each. A
 * shell that starts `sleep` again and again would take the core's caches from
 * that program. Ends with its reader.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000L

int main(int argc, char **argv)
{
    long rate = argc > 1 ? strtol(argv[1], NULL, 10) : 60;
    struct timespec next;

    if (rate <= 0 || clock_gettime(CLOCK_MONOTONIC, &next) != 0)
        return 1;
    do {
        next.tv_nsec += SECOND_NS / rate;
        if (next.tv_nsec >= SECOND_NS) {
            next.tv_nsec -= SECOND_NS;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    } while (write(STDOUT_FILENO, "\n", 1) == 1);
    return 0;
}
