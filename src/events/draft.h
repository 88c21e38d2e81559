/* events/draft.h - an event that has begun, as far as it outlasts its bytes
 *
 * in:  events/sse.c, values and parts of lines    out: events/sse.c
 *
 *     text    [ data LF data | a line that has begun ]
 *     names   [ type ID type ... ]      the last of each counts
 *
 * All of it lies in pooled blocks, the draft itself in one of its own. Its
 * views are good until something is added to it.
 */
#ifndef SL_EVENTS_DRAFT_H
#define SL_EVENTS_DRAFT_H

#include "base/status.h"
#include "base/view.h"
#include "memory/pool.h"

/* ---- bytes of any size in one block ---- */

struct sl_kept {
    struct sl_segment *block; /* NULL: there is no room */
    size_t size;
};

/* Adds bytes, which may lie in another block. On failure, SL_MEMORY among them,
 * nothing was added. */
enum sl_status sl_kept_add(struct sl_kept *kept, struct sl_pool *pool,
                           struct sl_view bytes);
/* Gives the block back. Idempotent. */
void sl_kept_release(struct sl_kept *kept);

/* ---- a draft ---- */

/* The bytes of a type and a new ID for which a draft has room. */
#define SL_DRAFT_NAMES_ROOM 160

struct sl_draft_name {
    size_t at; /* in `names` */
    size_t size;
};

struct sl_draft {
    struct sl_segment *block; /* its own */
    struct sl_kept text;      /* data, and behind it a line that has begun */
    size_t data_size;         /* of the data in `text` */
    size_t data_lines;        /* counted by the parser: it may show the first */
    struct sl_kept names;     /* no block: in `room` */
    struct sl_draft_name type;
    struct sl_draft_name id;
    size_t open; /* bytes of fields since the last blank line */
    char room[SL_DRAFT_NAMES_ROOM];
};

enum sl_status sl_draft_rent(struct sl_pool *pool, struct sl_draft **draft);
void sl_draft_release(struct sl_draft *draft);
/* Forgets the event. The blocks stay, for the next one. */
void sl_draft_clear(struct sl_draft *draft);

/* Adds to the data. There is no line that has begun. */
enum sl_status sl_draft_add_data(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_view bytes);
/* Adds to the line that has begun, or begins one. */
enum sl_status sl_draft_add_line(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_view bytes);
/* Makes the end of the line that has begun a line of the data: the value moves
 * down, over the name of its field. */
void sl_draft_join_line(struct sl_draft *draft, struct sl_view value);
/* Forgets the line that has begun. */
void sl_draft_drop_line(struct sl_draft *draft);
/* Sets the type or the ID of the draft. */
enum sl_status sl_draft_set_name(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_draft_name *name,
                                 struct sl_view value);

static inline struct sl_view sl_draft_data(const struct sl_draft *draft)
{
    return draft->data_size == 0
               ? sl_view("", 0)
               : sl_view(draft->text.block->data, draft->data_size);
}

/* The line that has begun. */
static inline struct sl_view sl_draft_line(const struct sl_draft *draft)
{
    size_t size = draft->text.size - draft->data_size;

    return size == 0
               ? sl_view("", 0)
               : sl_view(draft->text.block->data + draft->data_size, size);
}

struct sl_view sl_draft_name(const struct sl_draft *draft,
                             const struct sl_draft_name *name);

/* Whether an event has not begun. */
static inline bool sl_draft_is_empty(const struct sl_draft *draft)
{
    return draft->open == 0 && draft->text.size == 0;
}

#endif
