/* conn/source.h - one part of a request body, whose size is known
 *
 * in:  the caller's values    out: conn/upload.c, in order
 *
 *   TEXT      bytes that the caller keeps alive until dispose
 *   SEQUENCE  slices that the source owns
 *   FILE      a range of an open file, which the source owns
 *
 *             sent            shown            not yet read
 *   [ ~~~~~~~~~~~~~~~~~~~~ [ ########## ][ ................ ]
 *
 * A text or a sequence shows everything that was not sent. A file shows what
 * was read ahead or is mapped: sl_source_fill sees to that. Every source can be
 * sent again from its start.
 */
#ifndef SL_CONN_SOURCE_H
#define SL_CONN_SOURCE_H

#include "base/view.h"
#include "io/file.h"
#include "memory/sequence.h"

enum sl_source_kind { SL_SOURCE_TEXT, SL_SOURCE_SEQUENCE, SL_SOURCE_FILE };

struct sl_source {
    enum sl_source_kind kind;
    struct sl_source *next; /* the upload's to use */
    uint64_t size;
    uint64_t sent;
    union {
        struct sl_view text;
        struct sl_sequence sequence;
        struct {
            struct sl_file file;
            int64_t offset;         /* of the range in the file */
            const char *name;       /* for messages, kept alive as text is */
            struct sl_buffer ahead; /* bytes that were read, from `sent` on */
        } range;
    } of;
};

void sl_source_init_text(struct sl_source *source, struct sl_view text);
/* Moves `content`. */
void sl_source_init_sequence(struct sl_source *source,
                             struct sl_allocator *allocator,
                             struct sl_sequence *content);
/* Shows `size` bytes from `offset`. Shares `fd`, which stays the caller's;
 * reads into segments of `pool`. SL_LIMIT: too many descriptors; nothing needs
 * to be disposed. */
enum sl_status sl_source_init_file(struct sl_source *source,
                                   struct sl_pool *pool, int fd, int64_t offset,
                                   uint64_t size, const char *name);
void sl_source_dispose(struct sl_source *source);

static inline uint64_t sl_source_left(const struct sl_source *source)
{
    return source->size - source->sent;
}

/* Fills a file's views. Reads on when all that was read is sent; maps instead
 * when only the kernel will look at the views. SL_OK, also at the end and for
 * other kinds. SL_END: the file has shrunk. SL_INVALID: it cannot be read.
 * SL_MEMORY, SL_LIMIT. */
enum sl_status sl_source_fill(struct sl_source *source, bool may_map);
/* Up to `count` views from the next byte on; 0 when none is there now. */
size_t sl_source_views(const struct sl_source *source, struct sl_view *views,
                       size_t count);
/* Copies up to `size` bytes of the views and answers their count; 0 for mapped
 * views, which a program must not look at. */
size_t sl_source_copy_out(const struct sl_source *source, char *to,
                          size_t size);
/* Whether its views are of a mapped file. */
bool sl_source_is_mapped(const struct sl_source *source);
/* After views of a mapped file were sent: whether the kernel saw the file's
 * bytes. `has_faulted`: the kernel answered EFAULT. Statuses of
 * sl_source_fill. */
enum sl_status sl_source_verify(const struct sl_source *source,
                                bool has_faulted);
/* `size` bytes of its views were sent. */
void sl_source_advance(struct sl_source *source, size_t size);
void sl_source_rewind(struct sl_source *source);

#endif
