/* spec/support/unload.c - a program whose Lua states come and go, with the module
 *
 * usage: unload <rounds> <threads> <script> [argument...]
 *
 * In each round so many threads run the script in a state of their own, with the
 * arguments as `...`, and close it; 0 threads: the program's own does. Prints
 * what a script raised, and at the end "unloaded" or "loaded", the threads that
 * are left besides the program's own once they had time to end, and how many
 * descriptors there are more than after the first round.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#define MOST_THREADS 16

static char **arguments; /* the script and what is given to it */
static int argument_count;

static void *live(void *unused)
{
    lua_State *L = luaL_newstate();

    (void)unused;
    if (L == NULL)
        exit(1);
    luaL_openlibs(L);
    if (luaL_loadfile(L, arguments[0]) == LUA_OK) {
        for (int i = 1; i < argument_count; i++)
            lua_pushstring(L, arguments[i]);
        if (lua_pcall(L, argument_count - 1, 0, 0) == LUA_OK) {
            lua_close(L);
            return NULL;
        }
    }
    printf("%s\n", lua_tostring(L, -1));
    exit(1);
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    if (directory == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int is_loaded(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1000];
    int is_there = 0;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        is_there |= strstr(line, "/sluice/core.so") != NULL;
    if (maps != NULL)
        fclose(maps);
    return is_there;
}

/* Those that were left behind end by themselves. */
static int count_threads(void)
{
    const struct timespec moment = {0, 10000000};

    for (int i = 0; i < 3000 && count_entries("/proc/self/task") > 1; i++)
        nanosleep(&moment, NULL);
    return count_entries("/proc/self/task") - 1;
}

static void run_round(int threads)
{
    pthread_t all[MOST_THREADS];

    if (threads == 0)
        live(NULL);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, live, NULL) != 0)
            exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
    int rounds = argc > 3 ? atoi(argv[1]) : 0;
    int threads = argc > 3 ? atoi(argv[2]) : 0;
    int before;

    if (rounds < 1 || threads < 0 || threads > MOST_THREADS)
        return 2;
    arguments = argv + 3;
    argument_count = argc - 3;
    run_round(threads);
    before = count_entries("/proc/self/fd");
    for (int i = 1; i < rounds; i++)
        run_round(threads);
    printf("%s, %d threads, %d descriptors\n",
           is_loaded() ? "loaded" : "unloaded", count_threads(),
           count_entries("/proc/self/fd") - before);
    return 0;
}
