#include "memory/slab.h"

#include "memory/poison.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLAB_SIZE     ((size_t)2 * 1024 * 1024)
#define SLAB_SEGMENTS 512 /* at most, so that tiny ones keep few headers */

/* A multiple of any page: one call costs as much as some pages. */
#define PRESENT_AT_ONCE ((size_t)64 * 1024)

void sl_poison_verify(const struct sl_segment *segment)
{
    const unsigned char *data = (const unsigned char *)segment->data;

    if (segment->capacity == 0 ||
        (data[0] == SL_POISON &&
         memcmp(data, data + 1, segment->capacity - 1) == 0))
        return;

    size_t offset = 0;

    while (data[offset] == SL_POISON)
        offset++;
    fprintf(stderr,
            "sluice: a segment was written after its return: offset %zu of "
            "%zu, generation %u\n",
            offset, segment->capacity, segment->generation);
    abort();
}

void *sl_map_pages(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

/* Maps a multiple of SLAB_SIZE at a multiple of it, or NULL. */
static char *map_aligned(size_t size)
{
    char *pages;
    size_t before;

    if (size > SIZE_MAX - SLAB_SIZE)
        return NULL;
    pages = sl_map_pages(size + SLAB_SIZE);
    if (pages == NULL)
        return NULL;
    before = (SLAB_SIZE - (uintptr_t)pages % SLAB_SIZE) % SLAB_SIZE;
    if (before > 0)
        munmap(pages, before);
    munmap(pages + before + size, SLAB_SIZE - before);
    return pages + before;
}

#ifdef MADV_HUGEPAGE
/* Advice only: refused where the kernel was built without. */
static void advise_slab(char *data, size_t size, bool is_plain)
{
    madvise(data, size, is_plain ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
}
#else
static void advise_slab(char *data, size_t size, bool is_plain)
{
    (void)data;
    (void)size;
    (void)is_plain;
}
#endif

#ifdef MADV_POPULATE_WRITE
/* Old kernels refuse it: then each page is present at its own fault. */
void sl_slab_make_present(struct sl_slab *slab, size_t end)
{
    size_t begin = slab->present;

    end = sl_round_up(end, PRESENT_AT_ONCE);
    if (end > slab->mapped)
        end = slab->mapped;
    madvise(slab->data + begin, end - begin, MADV_POPULATE_WRITE);
    slab->present = end;
}
#else
void sl_slab_make_present(struct sl_slab *slab, size_t end)
{
    (void)end;
    slab->present = slab->mapped;
}
#endif

void sl_slab_make_absent(struct sl_slab *slab, size_t size)
{
    slab->present -= size;
    sl_unhide(slab->data + slab->present, size);
    madvise(slab->data + slab->present, size, MADV_DONTNEED);
    sl_hide(slab->data + slab->present, size);
}

static char *map_slab(size_t size, bool is_plain)
{
    char *data;

    if (size % SLAB_SIZE != 0)
        return sl_map_pages(size);
    data = map_aligned(size);
    if (data != NULL)
        advise_slab(data, size, is_plain);
    return data;
}

static size_t slab_header_size(size_t count)
{
    return sizeof(struct sl_slab) + count * sizeof(struct sl_segment);
}

void sl_slab_destroy(struct sl_pool *pool, struct sl_slab *slab)
{
    pool->stats.spare -= slab->count * pool->options.segment_size;
    pool->slab_count--;
    sl_unhide(slab->data, slab->mapped);
    munmap(slab->data, slab->mapped);
    sl_free(pool->allocator, slab, slab_header_size(slab->count));
}

struct sl_slab *sl_slab_create(struct sl_pool *pool)
{
    size_t size = pool->options.segment_size;
    size_t stride, count, mapped;
    struct sl_slab *slab;

    if (size > SIZE_MAX / 2)
        return NULL;
    stride = sl_round_up(size, SL_ALIGNMENT);
    count = stride < SLAB_SIZE ? SLAB_SIZE / stride : 1;
    if (count > SLAB_SEGMENTS)
        count = SLAB_SEGMENTS;
    mapped = count * stride;
    mapped = sl_round_up(mapped, mapped > SLAB_SIZE / 2
                                     ? SLAB_SIZE
                                     : (size_t)sysconf(_SC_PAGESIZE));

    slab = sl_allocate_zeroed(pool->allocator, slab_header_size(count));
    if (slab == NULL)
        return NULL;
    slab->data = map_slab(mapped, pool->slab_count == 0 || pool->is_hurried);
    if (slab->data == NULL) {
        sl_free(pool->allocator, slab, slab_header_size(count));
        return NULL;
    }
    slab->mapped = mapped;
    slab->present = pool->is_hurried ? 0 : mapped;
    slab->count = count;
    for (size_t i = count; i-- > 0;) {
        struct sl_segment *segment = &slab->segments[i];

        segment->pool = pool;
        segment->slab = slab;
        segment->data = slab->data + i * stride;
        segment->capacity = size;
        segment->size_class = SL_NO_CLASS;
        segment->is_free = true;
        segment->next = slab->free;
        slab->free = segment;
        if (pool->options.poison)
            sl_poison_fill(segment);
    }
    sl_hide(slab->data, mapped);
    pool->stats.spare += count * size;
    pool->slab_count++;
    sl_slab_link(&pool->slabs, slab);
    return slab;
}

/* ---- runs ---- */

/* The longest run among the `most` segments from `begin` on, a group. */
static size_t run_in_group(const struct sl_slab *slab, size_t begin,
                           size_t most, size_t *first)
{
    size_t longest = 0;
    size_t length = 0;

    for (size_t i = begin; i < begin + most && i < slab->count; i++) {
        length = slab->segments[i].is_free ? length + 1 : 0;
        if (length > longest) {
            longest = length;
            *first = i + 1 - length;
        }
    }
    return longest;
}

/* Runs that begin anywhere would leave ever more gaps between each other: those
 * of groups that do not overlap are whole again when they have come home. */
struct sl_segment *sl_slab_find_run(struct sl_slab *slab, size_t *count)
{
    size_t most = *count;
    size_t index = (size_t)(slab->free - slab->segments);
    size_t best = index;
    size_t longest = run_in_group(slab, index - index % most, most, &best);

    /* Not what is in cache: the first one, so that what is in use stays close
     * together. */
    for (size_t i = 0; longest < most && i < slab->count; i += most) {
        size_t first;
        size_t length = run_in_group(slab, i, most, &first);

        if (length > longest) {
            longest = length;
            best = first;
        }
    }
    *count = longest;
    return &slab->segments[best];
}

void sl_slab_take_run(struct sl_slab *slab, const struct sl_segment *first,
                      size_t count)
{
    struct sl_segment **link = &slab->free;

    for (size_t left = count; left > 0;) {
        const struct sl_segment *segment = *link;

        if (segment < first || segment >= first + count) {
            link = &(*link)->next;
            continue;
        }
        *link = segment->next;
        left--;
    }
}
