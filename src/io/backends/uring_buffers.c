#include "io/backends/uring_buffers.h"

#include "base/debug.h"
#include "io/backend.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROUP 0
#define MASK  (SL_URING_RUNS - 1)

/* The most bytes of a receive: they still fit the cache next to the core. */
#define RUN_MOST ((size_t)64 * 1024)

/* ---- runs ---- */

static void pin_run(struct sl_segment *run)
{
    for (; run != NULL; run = run->next)
        sl_segment_pin(run);
}

static void unpin_run(struct sl_segment *run)
{
    for (; run != NULL; run = run->next)
        sl_segment_unpin(run);
}

static size_t size_of_run(const struct sl_segment *run)
{
    size_t size = 0;

    for (; run != NULL; run = run->next)
        size += run->capacity;
    return size;
}

static enum sl_status rent_run(struct sl_pool *pool, struct sl_segment **run)
{
    size_t most = RUN_MOST / pool->options.segment_size;

    if (most > SL_PROVIDED_MOST)
        most = SL_PROVIDED_MOST;
    return sl_pool_rent_run(pool, most > 0 ? most : 1, run);
}

/* ---- what is in the ring ---- */

static void fill(struct sl_uring_buffers *buffers)
{
    while (buffers->count < buffers->choosing &&
           buffers->count < SL_URING_RUNS) {
        unsigned short number = buffers->tail & MASK;
        struct sl_segment *run;

        if (buffers->runs[number] != NULL ||
            rent_run(buffers->pool, &run) != SL_OK)
            return;
        pin_run(run);
        buffers->runs[number] = run;
        buffers->count++;
        buffers->tail++;
        io_uring_buf_ring_add(buffers->entries, run->data,
                              (unsigned)size_of_run(run), number, MASK, 0);
        io_uring_buf_ring_advance(buffers->entries, 1);
    }
}

/* Takes the runs back. No receive in flight could choose, so the kernel does
 * not look at them. */
static void empty(struct sl_uring_buffers *buffers)
{
    while (buffers->count > 0) {
        struct sl_segment **run = &buffers->runs[--buffers->tail & MASK];

        sl_assert(*run != NULL);
        unpin_run(*run);
        sl_segment_release_chain(*run);
        *run = NULL;
        buffers->count--;
    }
    io_uring_smp_store_release(&buffers->entries->tail, buffers->tail);
}

/* ---- a life ---- */

void sl_uring_buffers_init(struct sl_uring_buffers *buffers,
                           struct io_uring *ring, struct sl_pool *pool)
{
    memset(buffers, 0, sizeof *buffers);
    buffers->ring = ring;
    buffers->pool = pool;
}

static size_t entries_size(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = SL_URING_RUNS * sizeof(struct io_uring_buf);

    return (size + page - 1) / page * page;
}

void sl_uring_buffers_fini(struct sl_uring_buffers *buffers)
{
    if (buffers->entries != NULL)
        munmap(buffers->entries, entries_size());
    buffers->entries = NULL;
}

bool sl_uring_buffers_are_open(struct sl_uring_buffers *buffers)
{
    struct io_uring_buf_reg registration;
    void *pages;

    if (buffers->entries != NULL || buffers->is_refused)
        return buffers->entries != NULL;
    buffers->is_refused = true;
    pages = mmap(NULL, entries_size(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return false;
    /* The kernel reads these very pages: a child of fork must not make the
     * parent write to others. */
    madvise(pages, entries_size(), MADV_DONTFORK);
    memset(&registration, 0, sizeof registration);
    registration.ring_addr = (uint64_t)(uintptr_t)pages;
    registration.ring_entries = SL_URING_RUNS;
    registration.bgid = GROUP;
    /* EINVAL: before Linux 5.19. */
    if (io_uring_register_buf_ring(buffers->ring, &registration, 0) != 0) {
        munmap(pages, entries_size());
        return false;
    }
    buffers->entries = pages;
    io_uring_buf_ring_init(buffers->entries);
    buffers->is_refused = false;
    return true;
}

/* ---- a receive ---- */

bool sl_uring_buffers_begin(struct sl_uring_buffers *buffers)
{
    buffers->choosing++;
    fill(buffers);
    if (buffers->count > 0)
        return true;
    buffers->choosing--;
    return false;
}

void sl_uring_buffers_prepare(struct io_uring_sqe *entry, int fd)
{
    /* The whole run, whichever it is: there is no other limit to the size. */
    io_uring_prep_recv(entry, fd, NULL, INT_MAX, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
}

struct sl_segment *sl_uring_buffers_end(struct sl_uring_buffers *buffers,
                                        const struct io_uring_cqe *entry)
{
    struct sl_segment *run = NULL;

    /* Also after a cancel or failure: bytes may have arrived first. */
    if ((entry->flags & IORING_CQE_F_BUFFER) != 0) {
        unsigned number = entry->flags >> IORING_CQE_BUFFER_SHIFT;

        sl_assert(number < SL_URING_RUNS && buffers->runs[number] != NULL);
        run = buffers->runs[number];
        buffers->runs[number] = NULL;
        buffers->count--;
        unpin_run(run);
    }
    if (run != NULL && entry->res <= 0) {
        sl_segment_release_chain(run);
        run = NULL;
    }
    if (--buffers->choosing == 0)
        empty(buffers);
    else
        fill(buffers);
    return run;
}
