/* bench/clients/count_malloc.c - counts calls to the C allocator, by caller
 *
 * Preloaded into a client (LD_PRELOAD). At exit it writes one line
 * "lua=<calls> other=<calls>" to the file that $COUNT_MALLOC names: calls made
 * by the Lua interpreter for its heap, and all others. free is not counted:
 * every block freed was counted when it was made.
 *
 * At SIGUSR1 it writes a line "live=<bytes>" instead: what is allocated now.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define MAX_RANGES 8

struct range {
    uintptr_t from, to;
};

static struct range ranges[MAX_RANGES];
static size_t range_count;
static atomic_ulong lua_calls, other_calls;
static FILE *output;

/* The code of the interpreter: the program itself when it is named lua..., and
 * liblua when it is linked to that. */
static int collect(struct dl_phdr_info *info, size_t size, void *context)
{
    const bool *is_lua_program = context;
    bool is_program = info->dlpi_name[0] == '\0';

    (void)size;
    if (is_program ? !*is_lua_program
                   : strstr(info->dlpi_name, "/liblua") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && range_count < MAX_RANGES; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];

        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0)
            continue;
        ranges[range_count].from = info->dlpi_addr + header->p_vaddr;
        ranges[range_count].to = ranges[range_count].from + header->p_memsz;
        range_count++;
    }
    return 0;
}

/* The script raises it while it waits for a child: nothing is being allocated
 * that this could disturb. */
static void tell_live(int signal_number)
{
    struct mallinfo2 info = mallinfo2();

    (void)signal_number;
    if (output != NULL)
        fprintf(output, "live=%zu\n", info.uordblks + info.hblkhd);
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("COUNT_MALLOC");
    bool is_lua_program = strncmp(program_invocation_short_name, "lua", 3) == 0;

    dl_iterate_phdr(collect, &is_lua_program);
    if (path == NULL)
        return;
    output = fopen(path, "w");
    signal(SIGUSR1, tell_live);
    /* not for what the program starts */
    unsetenv("COUNT_MALLOC");
}

__attribute__((destructor)) static void report(void)
{
    if (output == NULL)
        return;
    fprintf(output, "lua=%lu other=%lu\n", lua_calls, other_calls);
    fclose(output);
}

static void count(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    for (size_t i = 0; i < range_count; i++) {
        if (at >= ranges[i].from && at < ranges[i].to) {
            atomic_fetch_add_explicit(&lua_calls, 1, memory_order_relaxed);
            return;
        }
    }
    atomic_fetch_add_explicit(&other_calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *block = __libc_memalign(alignment, size);
    return *block == NULL;
}
