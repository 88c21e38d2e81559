/* io/lent.h - memory of a receive, lent to the backend that makes it
 *
 * in:  a backend fills it    out: memory/buffer.c, io/submitted.c
 *
 *   begin    the block, segments, or what the backend chooses     pinned
 *   end      the operation is over                                ours again
 *   hold     that many bytes arrived -> hand_over, perhaps in parts -> a buffer
 *
 *   pieces   [ ####| #### ] [ ########## ] [ ##________ ]
 *            taken ^--------- held ----------^
 *
 * A small receive goes to the block, which is the transport's for life, and is
 * copied; a large one to segments, which are linked. Nothing is begun while
 * something is held.
 */
#ifndef SL_IO_LENT_H
#define SL_IO_LENT_H

#include "io/backend.h"
#include "memory/buffer.h"

struct sl_lent {
    struct sl_segment *block; /* retained by its maker */
    size_t block_size;
    struct iovec pieces[SL_PROVIDED_MOST];
    struct sl_segment *segments[SL_PROVIDED_MOST]; /* instead of the block */
    size_t count;
    size_t held;  /* arrived and was not handed over yet */
    size_t taken; /* bytes of the pieces before that */
};

void sl_lent_init(struct sl_lent *lent, struct sl_segment *block,
                  size_t block_size);

/* Sets and pins what `receive` is to fill. `want` above the block's size asks
 * for segments of `pool`, unless `is_provided`: the backend has some. Without
 * any the block will do. */
void sl_lent_begin(struct sl_lent *lent, struct sl_operation *receive,
                   struct sl_pool *pool, size_t want, bool is_provided);
/* `receive` is over. Memory that the backend chose counts as lent from here
 * on. */
void sl_lent_end(struct sl_lent *lent, struct sl_operation *receive);
/* In a child of fork an operation never ends: it is forgotten. */
void sl_lent_forget(struct sl_lent *lent);

/* The room of the pieces. */
size_t sl_lent_room(const struct sl_lent *lent);

/* Moves at most `want` of the bytes held to the tail of `buffer`; a part when
 * memory is short. SL_OK with `*count` > 0; SL_MEMORY, SL_LIMIT from the
 * buffer. */
enum sl_status sl_lent_hand_over(struct sl_lent *lent, struct sl_buffer *buffer,
                                 size_t want, size_t *count);
/* Gives segments back; bytes held are lost. */
void sl_lent_release(struct sl_lent *lent);

#endif
