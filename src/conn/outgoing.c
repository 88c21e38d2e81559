#include "conn/outgoing.h"

#include "base/debug.h"

#include <string.h>

#define CONTINUE_TIMEOUT SL_SECOND
#define SEND_VIEWS       16

/* Small views are joined to this size before they are sent: a head and a body
 * of SL_SEND_AT_ONCE. */
#define SEND_JOINED (SL_SEND_AT_ONCE + (size_t)8 * 1024)

/* ---- a life ---- */

enum sl_status sl_outgoing_init(struct sl_outgoing *outgoing,
                                struct sl_allocator *allocator,
                                struct sl_pool *pool, struct sl_view head)
{
    char *copy = outgoing->room;

    outgoing->block = NULL;
    if (head.size > sizeof outgoing->room) {
        enum sl_status status =
            sl_pool_rent_block(pool, head.size, &outgoing->block);

        if (status != SL_OK)
            return status;
        copy = outgoing->block->data;
    }
    memcpy(copy, head.data, head.size);
    outgoing->head = sl_view(copy, head.size);
    outgoing->phase = SL_OUTGOING_IDLE;
    outgoing->head_sent = 0;
    outgoing->continue_until = 0;
    outgoing->uploaded = 0;
    sl_upload_init(&outgoing->upload, allocator, pool);
    return SL_OK;
}

static void release_head(struct sl_outgoing *outgoing)
{
    if (outgoing->block != NULL)
        sl_segment_release(outgoing->block);
    outgoing->block = NULL;
    outgoing->head = sl_view(NULL, 0);
}

void sl_outgoing_end(struct sl_outgoing *outgoing)
{
    if (!sl_outgoing_is_over(outgoing))
        outgoing->phase = SL_OUTGOING_CUT;
    outgoing->uploaded = sl_upload_delivered(&outgoing->upload);
    sl_upload_dispose(&outgoing->upload);
    release_head(outgoing);
}

void sl_outgoing_begin(struct sl_outgoing *outgoing, bool expects_continue)
{
    outgoing->continue_until = SL_NEVER;
    if (expects_continue)
        outgoing->phase = SL_OUTGOING_EXPECTING;
    else
        outgoing->phase = outgoing->upload.is_complete ? SL_OUTGOING_SENDING
                                                       : SL_OUTGOING_HELD;
}

void sl_outgoing_rewind(struct sl_outgoing *outgoing)
{
    outgoing->phase = SL_OUTGOING_IDLE;
    outgoing->head_sent = 0;
    sl_upload_rewind(&outgoing->upload);
}

/* ---- sending ---- */

/* The bytes of the head that were not sent yet. */
static struct sl_view left_of_head(const struct sl_outgoing *outgoing)
{
    if (outgoing->head.size <= outgoing->head_sent)
        return sl_view(NULL, 0);
    return sl_view(outgoing->head.data + outgoing->head_sent,
                   outgoing->head.size - outgoing->head_sent);
}

static size_t gather(const struct sl_outgoing *outgoing, struct sl_view *views)
{
    struct sl_view head = left_of_head(outgoing);
    size_t count = 0;

    if (head.size > 0)
        views[count++] = head;
    if (outgoing->phase != SL_OUTGOING_EXPECTING)
        count += sl_upload_views(&outgoing->upload, views + count,
                                 SEND_VIEWS - count);
    return count;
}

/* Fills a rented block with the rest of the head and the body bytes at hand.
 * NULL: there is no memory, or nothing that may be copied. */
static struct sl_segment *join(const struct sl_outgoing *outgoing)
{
    struct sl_view head = left_of_head(outgoing);
    struct sl_segment *block;

    if (sl_pool_rent_block(outgoing->upload.pushed.pool, SEND_JOINED, &block) !=
        SL_OK)
        return NULL;
    if (head.size > 0)
        memcpy(block->data, head.data, head.size);
    block->filled = head.size + sl_upload_copy_out(&outgoing->upload,
                                                   block->data + head.size,
                                                   SEND_JOINED - head.size);
    if (block->filled > 0)
        return block;
    sl_segment_release(block);
    return NULL;
}

/* Fills the failure for a status of sl_upload_fill or sl_upload_verify. */
static enum sl_status fail_file(const struct sl_outgoing *outgoing,
                                enum sl_status status,
                                struct sl_failure *failure)
{
    if (status == SL_END || status == SL_INVALID)
        return sl_fail(failure, SL_INVALID, SL_STAGE_SEND, "%s %s",
                       sl_upload_file_name(&outgoing->upload),
                       status == SL_END
                           ? "has shrunk since the request was made"
                           : "cannot be read");
    return sl_fail(failure, status, SL_STAGE_SEND, "out of memory");
}

static enum sl_status send_mapped(const struct sl_outgoing *outgoing,
                                  struct sl_link *link,
                                  const struct sl_view *views,
                                  size_t view_count, size_t *count,
                                  struct sl_failure *failure)
{
    enum sl_status status =
        sl_link_send_mapped(link, views, view_count, count, failure);
    enum sl_status found = SL_OK;

    if (status == SL_OK || status == SL_INVALID)
        found = sl_upload_verify(&outgoing->upload, status == SL_INVALID);
    return found == SL_OK ? status : fail_file(outgoing, found, failure);
}

/* Many small pieces leave as few large ones: the transport uses them before it
 * returns. */
static enum sl_status send_views(const struct sl_outgoing *outgoing,
                                 struct sl_link *link,
                                 const struct sl_view *views, size_t view_count,
                                 size_t *count, struct sl_failure *failure)
{
    struct sl_segment *joined = NULL;
    enum sl_status status;
    size_t size = 0;

    for (size_t i = 0; i < view_count; i++)
        size += views[i].size;
    if (view_count == SEND_VIEWS && size < SEND_JOINED)
        joined = join(outgoing);
    if (joined != NULL) {
        struct sl_view view = sl_view(joined->data, joined->filled);

        status = sl_link_send(link, &view, 1, count, failure);
        sl_segment_release(joined);
        return status;
    }
    if (sl_upload_is_mapped(&outgoing->upload))
        return send_mapped(outgoing, link, views, view_count, count, failure);
    return sl_link_send(link, views, view_count, count, failure);
}

static void sent(struct sl_outgoing *outgoing, size_t size)
{
    size_t head = left_of_head(outgoing).size;

    if (head > size)
        head = size;
    outgoing->head_sent += head;
    sl_upload_advance(&outgoing->upload, size - head);
}

static enum sl_status read_file(struct sl_outgoing *outgoing,
                                const struct sl_link *link,
                                struct sl_failure *failure)
{
    enum sl_status status =
        sl_upload_fill(&outgoing->upload, sl_link_can_map(link));

    return status == SL_OK ? status : fail_file(outgoing, status, failure);
}

/* SL_OK with a count of 0: everything is sent. */
static enum sl_status send_next(struct sl_outgoing *outgoing,
                                struct sl_link *link, size_t *count,
                                struct sl_failure *failure)
{
    struct sl_view views[SEND_VIEWS];
    size_t view_count;
    bool is_expecting = outgoing->phase == SL_OUTGOING_EXPECTING;
    enum sl_status status = SL_OK;

    if (!is_expecting)
        status = read_file(outgoing, link, failure);
    if (status != SL_OK)
        return status;
    view_count = gather(outgoing, views);
    if (view_count > 0)
        return send_views(outgoing, link, views, view_count, count, failure);
    if (is_expecting || !sl_upload_is_over(&outgoing->upload))
        return SL_AGAIN; /* for 100, or for the next pushed piece */
    return sl_link_flush(link, failure);
}

/* Whether the send that has just succeeded was the last: no other one is
 * needed to see that. */
static bool has_ended_sending(const struct sl_outgoing *outgoing,
                              const struct sl_link *link)
{
    return outgoing->phase == SL_OUTGOING_SENDING &&
           sl_outgoing_is_sent(outgoing, link);
}

/* The wait for 100 begins when the whole head is on its way. */
static void await_continue(struct sl_outgoing *outgoing, int64_t now)
{
    if (outgoing->phase == SL_OUTGOING_EXPECTING &&
        outgoing->continue_until == SL_NEVER &&
        outgoing->head_sent == outgoing->head.size)
        outgoing->continue_until = now + CONTINUE_TIMEOUT;
}

enum sl_status sl_outgoing_advance(struct sl_outgoing *outgoing,
                                   struct sl_link *link, int64_t now,
                                   size_t *budget, size_t *count,
                                   struct sl_failure *failure)
{
    enum sl_status status;

    *count = 0;
    if (outgoing->phase < SL_OUTGOING_EXPECTING ||
        sl_outgoing_is_over(outgoing))
        return SL_AGAIN;
    status = send_next(outgoing, link, count, failure);
    sent(outgoing, *count);
    *budget -= *count < *budget ? *count : *budget;
    if (status == SL_CLOSED) {
        failure->stage = SL_STAGE_SEND;
        outgoing->phase = SL_OUTGOING_CUT;
        return SL_OK;
    }
    if (sl_is_failure(status))
        return status;
    if (status == SL_OK && (*count == 0 || has_ended_sending(outgoing, link))) {
        outgoing->phase = SL_OUTGOING_SENT;
        return SL_OK;
    }
    await_continue(outgoing, now);
    return *count > 0 ? SL_OK : SL_AGAIN;
}

/* ---- what others know ---- */

void sl_outgoing_go_on(struct sl_outgoing *outgoing)
{
    if (outgoing->phase == SL_OUTGOING_EXPECTING)
        outgoing->phase = SL_OUTGOING_SENDING;
}

void sl_outgoing_ask(struct sl_outgoing *outgoing)
{
    if (outgoing->phase == SL_OUTGOING_HELD)
        outgoing->phase = SL_OUTGOING_ASKED;
}

void sl_outgoing_let_go(struct sl_outgoing *outgoing, bool is_enough)
{
    if (outgoing->phase == SL_OUTGOING_ASKED ||
        (is_enough && outgoing->phase == SL_OUTGOING_HELD))
        outgoing->phase = SL_OUTGOING_SENDING;
}

void sl_outgoing_answered(struct sl_outgoing *outgoing, int status)
{
    sl_outgoing_go_on(outgoing);
    if (!sl_outgoing_is_over(outgoing) && status >= 300)
        outgoing->phase = SL_OUTGOING_CUT;
    if (sl_outgoing_is_over(outgoing))
        release_head(outgoing);
}

bool sl_outgoing_has_room(const struct sl_outgoing *outgoing)
{
    switch (outgoing->phase) {
    case SL_OUTGOING_IDLE:
    case SL_OUTGOING_EXPECTING:
        return false;
    case SL_OUTGOING_SENT:
    case SL_OUTGOING_CUT:
        return true;
    default:
        return outgoing->upload.pushed.length < SL_UPLOAD_WINDOW;
    }
}

bool sl_outgoing_is_moving(const struct sl_outgoing *outgoing)
{
    const struct sl_upload *upload = &outgoing->upload;

    return outgoing->phase == SL_OUTGOING_SENDING &&
           (!upload->is_pushed || upload->is_complete ||
            upload->pushed.length > 0 ||
            outgoing->head_sent < outgoing->head.size);
}

bool sl_outgoing_is_sent(const struct sl_outgoing *outgoing,
                         const struct sl_link *link)
{
    if (sl_outgoing_is_over(outgoing))
        return outgoing->phase == SL_OUTGOING_SENT;
    return outgoing->head_sent == outgoing->head.size &&
           sl_upload_is_over(&outgoing->upload) && sl_link_is_flushed(link);
}

bool sl_outgoing_is_replayable(const struct sl_outgoing *outgoing)
{
    return outgoing->head.data != NULL &&
           sl_upload_is_replayable(&outgoing->upload);
}
