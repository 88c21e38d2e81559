#include "io/system.h"

#include "base/clock.h"
#include "spec/c/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* The form for other systems, beside that of this one. */
#if !defined(SL_PORTABLE)
#define SL_PORTABLE
#endif
#define sl_pipe_open      portable_pipe_open
#define sl_socket_open    portable_socket_open
#define sl_condition_init portable_condition_init
#define sl_condition_wait portable_condition_wait
int portable_pipe_open(int ends[2]);
int portable_socket_open(int family);
int portable_condition_init(pthread_cond_t *condition);
int portable_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                            int64_t until);
#include "io/system.c"
#undef sl_pipe_open
#undef sl_socket_open
#undef sl_condition_init
#undef sl_condition_wait

static int (*const pipes[])(int[2]) = {sl_pipe_open, portable_pipe_open};
static int (*const sockets[])(int) = {sl_socket_open, portable_socket_open};

static bool is_prepared(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
           (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

TEST("both ends of a pipe neither block nor survive exec")
{
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        char byte;

        REQUIRE(pipes[i](ends) == 0);
        CHECK(is_prepared(ends[0]) && is_prepared(ends[1]));
        CHECK(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
        CHECK(write(ends[1], "x", 1) == 1);
        CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
        close(ends[0]);
        close(ends[1]);
    }
}

TEST("a socket neither blocks nor survives exec, and sends without a signal")
{
    for (size_t i = 0; i < 2; i++) {
        int fd = sockets[i](AF_UNIX);

        REQUIRE(fd >= 0);
        CHECK(is_prepared(fd));
        signal(SIGPIPE, SIG_DFL);
        CHECK(send(fd, "x", 1, SL_NO_SIGNAL) == -1);
        close(fd);
    }
}

TEST("says why there is no descriptor, and leaves none behind")
{
    struct rlimit before, few;
    int next = dup(0);

    close(next);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (size_t i = 0; i < 2; i++) {
        int ends[2];

        few = before;
        few.rlim_cur = (rlim_t)next + 1; /* room for one */
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        CHECK(pipes[i](ends) == -1 && errno == EMFILE);
        few.rlim_cur = (rlim_t)next;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        CHECK(sockets[i](AF_UNIX) == -1 && errno == EMFILE);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(sockets[i](-1) == -1 && errno == EAFNOSUPPORT);
        CHECK_INT(dup(0), next);
        close(next);
    }
}

TEST("a wait ends at its time, by the clock of the loop")
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    int64_t until = sl_clock_now() + 20 * SL_MILLISECOND;
    int status = 0;

    REQUIRE(sl_condition_init(&condition) == 0);
    pthread_mutex_lock(&lock);
    while (status == 0)
        status = sl_condition_wait(&condition, &lock, until);
    CHECK_INT(status, ETIMEDOUT);
    CHECK(sl_clock_now() >= until);
    CHECK_INT(sl_condition_wait(&condition, &lock, sl_clock_now()), ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&condition);
}

int main(void)
{
    return test_main();
}
