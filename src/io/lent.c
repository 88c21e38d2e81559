#include "io/lent.h"

#include "base/debug.h"
#include "io/system.h"

#include <string.h>

static size_t piece_count(const struct sl_lent *lent)
{
    return lent->count > 0 ? lent->count : 1;
}

void sl_lent_init(struct sl_lent *lent, struct sl_segment *block,
                  size_t block_size)
{
    memset(lent, 0, sizeof *lent);
    lent->block = block;
    lent->block_size = block_size;
}

void sl_lent_release(struct sl_lent *lent)
{
    while (lent->count > 0)
        sl_segment_release(lent->segments[--lent->count]);
    lent->held = 0;
}

/* ---- to the operation and back ---- */

static void pin(struct sl_lent *lent)
{
    if (lent->count == 0)
        sl_segment_pin(lent->block);
    for (size_t i = 0; i < lent->count; i++)
        sl_segment_pin(lent->segments[i]);
}

void sl_lent_forget(struct sl_lent *lent)
{
    if (lent->count == 0)
        sl_segment_unpin(lent->block);
    for (size_t i = 0; i < lent->count; i++)
        sl_segment_unpin(lent->segments[i]);
}

static void add(struct sl_lent *lent, struct sl_segment *segment)
{
    struct iovec *piece = &lent->pieces[lent->count];

    piece->iov_base = segment->data;
    piece->iov_len = segment->capacity;
    lent->segments[lent->count++] = segment;
}

static void add_run(struct sl_lent *lent, struct sl_segment *run)
{
    while (run != NULL) {
        struct sl_segment *next = run->next;

        run->next = NULL;
        add(lent, run);
        run = next;
    }
}

static void rent(struct sl_lent *lent, struct sl_pool *pool, size_t want)
{
    size_t unit = pool->options.segment_size;
    size_t count = (want - 1) / unit + 1;

    if (count > SL_PROVIDED_MOST)
        count = SL_PROVIDED_MOST;
    while (lent->count < count) {
        struct sl_segment *run;

        if (sl_pool_rent_run(pool, count - lent->count, &run) != SL_OK)
            return;
        add_run(lent, run);
    }
}

void sl_lent_begin(struct sl_lent *lent, struct sl_operation *receive,
                   struct sl_pool *pool, size_t want, bool is_provided)
{
    sl_assert(lent->held == 0 && lent->count == 0);
    if (want > lent->block_size && !is_provided)
        rent(lent, pool, want);
    if (lent->count == 0) {
        lent->pieces[0].iov_base = lent->block->data;
        lent->pieces[0].iov_len = lent->block_size;
    }
    receive->takes_provided = is_provided;
    receive->message.msg_iov = lent->pieces;
    receive->message.msg_iovlen = SL_PIECES(piece_count(lent));
    lent->taken = 0;
    pin(lent);
}

void sl_lent_end(struct sl_lent *lent, struct sl_operation *receive)
{
    struct sl_segment *run = receive->provided;

    sl_lent_forget(lent);
    receive->provided = NULL;
    add_run(lent, run);
}

/* ---- bytes that arrived ---- */

size_t sl_lent_room(const struct sl_lent *lent)
{
    size_t size = 0;

    for (size_t i = 0; i < piece_count(lent); i++)
        size += lent->pieces[i].iov_len;
    return size;
}

enum sl_status sl_lent_hand_over(struct sl_lent *lent, struct sl_buffer *buffer,
                                 size_t want, size_t *count)
{
    size_t total = 0;
    size_t start = 0;
    enum sl_status status = SL_OK;

    for (size_t i = 0; lent->held > 0 && total < want; i++) {
        const struct iovec *piece = &lent->pieces[i];
        size_t skip = lent->taken - start;
        size_t size = piece->iov_len - skip;
        char *data = (char *)piece->iov_base + skip;

        start += piece->iov_len;
        if (lent->taken >= start)
            continue;
        if (size > lent->held)
            size = lent->held;
        if (lent->count > 0)
            lent->segments[i]->filled = skip + size;
        if (size > want - total)
            size = want - total;
        if (lent->count > 0)
            status = sl_buffer_link(buffer, lent->segments[i], data, size);
        else
            status = sl_buffer_append(buffer, sl_view(data, size));
        if (status != SL_OK)
            break;
        lent->taken += size;
        lent->held -= size;
        total += size;
    }
    if (lent->held == 0) {
        size_t segments = lent->count;

        sl_lent_release(lent);
        if (segments > 0)
            sl_buffer_fuse(buffer, segments);
    }
    if (total == 0)
        return status;
    *count = total;
    return SL_OK;
}
