/* conn/upload.h - a request body on its way out: sources in order, or pushed
 *
 *             sent       current
 *   sources   [ text ~~~ ][ file ~~~#### ][ text ][ lease ]  each of known size
 *   pushed    pieces as they come, chunked or of declared length; always alone
 *
 * An upload gives views to send and is given the count of bytes sent. The
 * exchange disposes it exactly once, whatever became of the exchange. Sources
 * can be sent again from the start, pushed pieces cannot.
 */
#ifndef SL_CONN_UPLOAD_H
#define SL_CONN_UPLOAD_H

#include "base/view.h"
#include "conn/source.h"
#include "memory/sequence.h"

/* A head and a body up to this leave in one send (behaviour). */
#define SL_SEND_AT_ONCE ((size_t)32 * 1024)

/* Pushed bytes that may wait before the pusher has to. */
#define SL_UPLOAD_WINDOW ((size_t)128 * 1024)

struct sl_upload {
    struct sl_allocator *allocator; /* of sources beyond the first */
    struct sl_source first;
    struct sl_source *last;    /* NULL: no source */
    struct sl_source *current; /* of the next byte; the last one at the end */
    bool is_pushed;
    bool is_chunked;         /* pushed without a declared length */
    bool is_complete;        /* pushed: nothing follows; the others always */
    struct sl_buffer pushed; /* framed already */
    uint64_t size; /* of the whole body; UINT64_MAX: chunked, not known */
    uint64_t pushed_size; /* payload bytes so far */
    uint64_t sent;        /* bytes gone, with framing */
};

void sl_upload_init(struct sl_upload *upload, struct sl_allocator *allocator,
                    struct sl_pool *pool);
/* Releases everything; as after init. Idempotent. */
void sl_upload_dispose(struct sl_upload *upload);

/* ---- sources, in the order in which they are sent ---- */

/* SL_MEMORY: as before, here and below. */
enum sl_status sl_upload_add_text(struct sl_upload *upload,
                                  struct sl_view text);
/* Moves `content`. */
enum sl_status sl_upload_add_sequence(struct sl_upload *upload,
                                      struct sl_sequence *content);
/* Adds `size` bytes of the open file `fd`, which stays the caller's, from
 * `offset`. They are read now if all of the body may leave with its head, later
 * if not. `name` is for messages, kept alive by the caller as text is. SL_END:
 * the file is shorter. SL_INVALID: it cannot be read. SL_LIMIT: too many
 * descriptors. */
enum sl_status sl_upload_add_file(struct sl_upload *upload, int fd,
                                  int64_t offset, uint64_t size,
                                  const char *name);

/* ---- pushed, instead of sources ---- */

/* `size` UINT64_MAX: chunked. */
void sl_upload_set_pushed(struct sl_upload *upload, uint64_t size);
/* Pushes all of `piece`, as one chunk or as it is; `piece` is left empty.
 * SL_INVALID: more than was declared. SL_MEMORY. */
enum sl_status sl_upload_push(struct sl_upload *upload,
                              struct sl_buffer *piece);
/* Ends the body. `trailers` are complete field lines, chunked only. SL_INVALID:
 * less than was declared. */
enum sl_status sl_upload_finish(struct sl_upload *upload,
                                struct sl_view trailers);

/* ---- sending ---- */

/* Call it before views: reads or maps the next file, if one comes soon.
 * `may_map`: the kernel alone will look at the views. Statuses of
 * sl_source_fill; messages name sl_upload_file_name. */
enum sl_status sl_upload_fill(struct sl_upload *upload, bool may_map);
/* The name of the file that fill and verify are about. */
const char *sl_upload_file_name(const struct sl_upload *upload);
/* Up to `count` views from the next byte on; 0 when nothing is there now. */
size_t sl_upload_views(const struct sl_upload *upload, struct sl_view *views,
                       size_t count);
/* Whether a view is of a mapped file: then they go by sl_link_send_mapped. */
bool sl_upload_is_mapped(const struct sl_upload *upload);
/* After such a send and before advance, see sl_source_verify. */
enum sl_status sl_upload_verify(const struct sl_upload *upload,
                                bool has_faulted);
/* Copies up to `size` of the bytes that the views show and answers their count;
 * nothing of a mapped file. */
size_t sl_upload_copy_out(const struct sl_upload *upload, char *to,
                          size_t size);
void sl_upload_advance(struct sl_upload *upload, size_t size);
/* The count of body bytes sent; for chunks never too many, and exact once
 * nothing waits. */
uint64_t sl_upload_delivered(const struct sl_upload *upload);
/* Whether everything was sent. A body of declared length is over once that many
 * bytes are sent, whether or not the pusher has ended it. */
bool sl_upload_is_over(const struct sl_upload *upload);

/* Whether it could be sent again from the start. */
bool sl_upload_is_replayable(const struct sl_upload *upload);
void sl_upload_rewind(struct sl_upload *upload);

#endif
