#include "io/thread.h"

#include "spec/c/support/test.h"

#include <signal.h>

/* Notes in `argument` which signals its thread has blocked. */
static void *note_signals(void *argument)
{
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return argument;
}

TEST("a thread has all signals blocked, and its starter those of before")
{
    static const int signals[] = {SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1};
    pthread_t thread;
    sigset_t within;
    sigset_t after;
    void *result;

    sigemptyset(&within);
    REQUIRE(sl_thread_start(&thread, (size_t)128 * 1024, note_signals,
                            &within) == 0);
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == &within);
    REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        CHECK(sigismember(&within, signals[i]) == 1);
        CHECK(sigismember(&after, signals[i]) == 0);
    }
}

int main(void)
{
    return test_main();
}
