/* bench/clients/touch.c - touches memory so that the next to use it finds it
 *
 * usage: touch <MiB>
 * In a virtual machine the first use of a page costs a fault of the host's as
 * well, tens of times the guest's own. The first program to hold a large body
 * would pay for all later ones. Touches that much in huge pages, then in small
 * ones.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int touch(size_t size, int advice)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return 1;
    madvise(memory, size, advice);
    memset(memory, 1, size);
    return munmap(memory, size);
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) * 1024 * 1024 : 0;

    return touch(size, MADV_HUGEPAGE) || touch(size, MADV_NOHUGEPAGE);
}
