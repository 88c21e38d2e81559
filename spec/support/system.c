/* spec/support/system.c - what specs ask of the machine: `require
 * "support.system"`
 *
 * The clock, memory and processor time of this process, a port that refuses,
 * and other programs: started without a shell, ended with this process at the
 * latest. Nothing here is the code under test.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENT_MAX 64
#define PORT_FIRST   10000
#define PORT_COUNT   20000

/* A pointer would have to be freed on every path that raises. */
struct arguments {
    const char *list[ARGUMENT_MAX + 1];
};

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int failure(lua_State *L, const char *what)
{
    int error = errno;

    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", what, strerror(error));
    lua_pushinteger(L, error);
    return 3;
}

/* system.clock() -> seconds of the monotonic clock */
static int system_clock(lua_State *L)
{
    lua_pushnumber(L, seconds_of(CLOCK_MONOTONIC));
    return 1;
}

/* system.cpu() -> processor seconds used by the calling thread */
static int system_cpu(lua_State *L)
{
    lua_pushnumber(L, seconds_of(CLOCK_THREAD_CPUTIME_ID));
    return 1;
}

/* system.rss() -> resident bytes of this process */
static int system_rss(lua_State *L)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return failure(L, "statm");
    int count = fscanf(file, "%*d %lld", &pages);
    fclose(file);
    if (count != 1)
        return failure(L, "statm");
    lua_pushinteger(L, pages * sysconf(_SC_PAGESIZE));
    return 1;
}

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* system.free_port() -> a port of 127.0.0.1 where nobody listens now
 *
 * Never the same one twice in a row, and below those that the kernel gives to
 * connections by itself: nobody takes it before it is used. */
static int system_free_port(lua_State *L)
{
    static unsigned last;

    if (last == 0)
        last = (unsigned)getpid();
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        unsigned port = PORT_FIRST + ++last % PORT_COUNT;
        struct sockaddr_in address = loopback(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
            return failure(L, "socket");
        int result = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (result == 0) {
            lua_pushinteger(L, port);
            return 1;
        }
    }
    return failure(L, "bind");
}

static bool accepts(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected = fd >= 0 && connect(fd, (struct sockaddr *)&address,
                                           sizeof address) == 0;

    if (fd >= 0)
        close(fd);
    return is_connected;
}

/* system.wait_for_port(port [, pid [, seconds]]) -> true | nil, message
 *
 * Until somebody accepts there; sooner when process `pid` has ended. */
static int system_wait_for_port(lua_State *L)
{
    unsigned port = (unsigned)luaL_checkinteger(L, 1);
    pid_t pid = (pid_t)luaL_optinteger(L, 2, 0);
    double end = seconds_of(CLOCK_MONOTONIC) + luaL_optnumber(L, 3, 60);

    while (!accepts(port)) {
        siginfo_t info = {.si_pid = 0};

        if (pid > 0 &&
            waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == pid) {
            lua_pushnil(L);
            lua_pushfstring(L, "process %d ended before port %d was open",
                            (int)pid, (int)port);
            return 2;
        }
        if (seconds_of(CLOCK_MONOTONIC) > end) {
            lua_pushnil(L);
            lua_pushfstring(L, "nobody accepts on port %d", (int)port);
            return 2;
        }
        poll(NULL, 0, 5);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* A sanitizer preloaded into the specs is not for the programs they start.
 * Pushes the block that holds the list. */
static char **push_environment(lua_State *L)
{
    size_t count = 0, kept = 0;

    while (environ[count] != NULL)
        count++;
    char **list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
            list[kept++] = environ[i];
    list[kept] = NULL;
    return list;
}

/* Only functions that are safe after fork in a process with threads. */
static void become(const struct arguments *arguments, char **environment,
                   int output, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it ended before it could take us along */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, 0);
    dup2(output < 0 ? null : output, 1);
    dup2(output < 0 ? null : output, 2);
    close_range(3, ~0U, 0);
    execvpe(arguments->list[0], (char *const *)arguments->list, environment);
    _exit(127);
}

/* system.spawn({ program, argument, ... } [, output path]) -> pid */
static int system_spawn(lua_State *L)
{
    const char *path = luaL_optstring(L, 2, NULL);
    size_t count;
    int output = -1;

    luaL_checktype(L, 1, LUA_TTABLE);
    count = lua_rawlen(L, 1);
    luaL_argcheck(L, count > 0 && count <= ARGUMENT_MAX, 1, "bad length");
    struct arguments *arguments = lua_newuserdatauv(L, sizeof *arguments, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "strings only");
        arguments->list[i] = lua_tostring(L, -1); /* anchored by table 1 */
        lua_pop(L, 1);
    }
    arguments->list[count] = NULL;
    char **environment = push_environment(L);
    if (path != NULL)
        output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(arguments, environment, output, parent);
    if (output >= 0)
        close(output);
    if (pid < 0)
        return failure(L, "fork");
    lua_pushinteger(L, pid);
    return 1;
}

/* system.kill(pid [, signal]) -> boolean */
static int system_kill(lua_State *L)
{
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);

    luaL_argcheck(L, pid > 1, 1, "one process only");
    lua_pushboolean(L, kill(pid, (int)luaL_optinteger(L, 2, SIGTERM)) == 0);
    return 1;
}

/* system.reap(pid [, seconds]) -> exit status (128 + signal when killed)
 *
 * Killed when it has not ended by itself after `seconds` (5). */
static int system_reap(lua_State *L)
{
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    double end = seconds_of(CLOCK_MONOTONIC) + luaL_optnumber(L, 2, 5);
    int status = 0;
    pid_t got;

    luaL_argcheck(L, pid > 1, 1, "one process only");
    while ((got = waitpid(pid, &status, WNOHANG)) == 0 &&
           seconds_of(CLOCK_MONOTONIC) < end)
        poll(NULL, 0, 2);
    if (got == 0) {
        kill(pid, SIGKILL);
        got = waitpid(pid, &status, 0);
    }
    if (got < 0)
        return failure(L, "wait");
    lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                           : WEXITSTATUS(status));
    return 1;
}

/* system.temporary_directory() -> path, nobody else's */
static int system_temporary_directory(lua_State *L)
{
    char path[] = "/tmp/sluice-spec-XXXXXX";

    if (mkdtemp(path) == NULL)
        return failure(L, path);
    lua_pushstring(L, path);
    return 1;
}

/* system.make_directory(path) -> true | nil, message, errno */
static int system_make_directory(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return failure(L, path);
    lua_pushboolean(L, true);
    return 1;
}

/* system.make_file(path, size): a file of that size full of zeros, sparse */
static int system_make_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer size = luaL_checkinteger(L, 2);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return failure(L, path);
    int result = ftruncate(fd, (off_t)size);
    close(fd);
    if (result != 0)
        return failure(L, path);
    lua_pushboolean(L, true);
    return 1;
}

/* system.age(path) -> seconds since it was written | nil, message, errno */
static int system_age(lua_State *L)
{
    struct stat about;
    const char *path = luaL_checkstring(L, 1);

    if (stat(path, &about) != 0)
        return failure(L, path);
    lua_pushnumber(L, difftime(time(NULL), about.st_mtime));
    return 1;
}

/* system.limit_descriptors(n) -> the limit before */
static int system_limit_descriptors(lua_State *L)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)luaL_checkinteger(L, 1);

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return failure(L, "limit");
    lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return failure(L, "limit");
    return 1;
}

/* system.poll(fd [, seconds]) -> whether it became readable in that time */
static int system_poll(lua_State *L)
{
    struct pollfd watch = {.fd = (int)luaL_checkinteger(L, 1),
                           .events = POLLIN};
    lua_Number seconds = luaL_optnumber(L, 2, 0);

    lua_pushboolean(L, poll(&watch, 1, (int)(seconds * 1000)) > 0);
    return 1;
}

/* system.fork(f) -> pid; the child runs f and ends at once with what it
 * returns, an integer, or 99 when it raises */
static int system_fork(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return failure(L, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || lua_pcall(L, 0, 1, 0) != LUA_OK)
            _exit(99);
        _exit((int)lua_tointeger(L, -1));
    }
    lua_pushinteger(L, pid);
    return 1;
}

/* system.close_pages(from, to) - addresses: any access to them is caught */
static int system_close_pages(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 1);
    lua_Integer to = luaL_checkinteger(L, 2);

    if (mprotect((void *)(uintptr_t)from, (size_t)(to - from), PROT_NONE) != 0)
        return failure(L, "mprotect");
    lua_pushboolean(L, true);
    return 1;
}

/* system.close(fd) - without the knowledge of its owner */
static int system_close(lua_State *L)
{
    if (close((int)luaL_checkinteger(L, 1)) != 0)
        return failure(L, "close");
    lua_pushboolean(L, true);
    return 1;
}

static void ignore(int number)
{
    (void)number;
}

/* system.storm(microseconds) - SIGALRM as often as that; 0: no more */
static int system_storm(lua_State *L)
{
    struct sigaction action = {.sa_handler = ignore};
    suseconds_t interval = (suseconds_t)luaL_checkinteger(L, 1);
    struct itimerval timer = {{0, interval}, {0, interval}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    return 0;
}

static const luaL_Reg functions[] = {
    {"clock", system_clock},
    {"cpu", system_cpu},
    {"rss", system_rss},
    {"free_port", system_free_port},
    {"wait_for_port", system_wait_for_port},
    {"spawn", system_spawn},
    {"kill", system_kill},
    {"reap", system_reap},
    {"temporary_directory", system_temporary_directory},
    {"make_directory", system_make_directory},
    {"make_file", system_make_file},
    {"age", system_age},
    {"poll", system_poll},
    {"fork", system_fork},
    {"limit_descriptors", system_limit_descriptors},
    {"close_pages", system_close_pages},
    {"close", system_close},
    {"storm", system_storm},
    {NULL, NULL}};

int luaopen_support_system(lua_State *L);

int luaopen_support_system(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
