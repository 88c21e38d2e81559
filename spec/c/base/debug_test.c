#include "base/debug.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/c/support/test.h"

TEST("a condition that holds costs nothing")
{
    int calls = 0;

    sl_assert(++calls == 1);
    sl_check(calls == 1);
    CHECK_INT(calls, 1);
}

TEST("a condition that does not hold is named and ends the program")
{
    int ends[2];
    char text[256];
    ssize_t size;
    int status;
    pid_t child;

    REQUIRE(pipe(ends) == 0);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        sl_assert(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    size = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(size > 0);
    text[size] = '\0';
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "1 + 1 == 3") != NULL);
    CHECK(strstr(text, "debug_test.c") != NULL);
}

int main(void)
{
    return test_main();
}
