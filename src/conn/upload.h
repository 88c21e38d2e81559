/* conn/upload.h - a request body on its way out
 *
 *   TEXT      bytes that the caller keeps alive until dispose
 *   SEQUENCE  slices it owns; a lease is moved in as one
 *   FILE      a range of an open file, which it owns
 *   PUSHED    pieces as they come, chunked or of declared length
 *
 * Gives views to send and is told how much of them went. Disposed exactly once,
 * by the exchange, whatever became of that.
 */
#ifndef SL_CONN_UPLOAD_H
#define SL_CONN_UPLOAD_H

#include "base/view.h"
#include "memory/sequence.h"

enum sl_upload_kind {
    SL_UPLOAD_NONE,
    SL_UPLOAD_TEXT,
    SL_UPLOAD_SEQUENCE,
    SL_UPLOAD_FILE,
    SL_UPLOAD_PUSHED
};

/* A head and a body up to this leave in one send (behaviour). */
#define SL_SEND_AT_ONCE ((size_t)32 * 1024)

/* Pushed bytes that may wait before the pusher has to. */
#define SL_UPLOAD_WINDOW ((size_t)128 * 1024)

struct sl_upload {
    enum sl_upload_kind kind;
    bool is_chunked;  /* PUSHED without a declared length */
    bool is_complete; /* PUSHED: nothing follows; the others always */
    struct sl_view text;
    struct sl_sequence sequence;
    struct sl_buffer pushed; /* framed already; of a FILE: read, not sent */
    int file;
    const char *file_name;
    int64_t file_offset;
    char *mapped; /* a range of the FILE, from `mapped_at` of it; NULL: none */
    size_t mapped_size;
    int64_t mapped_at;
    uint64_t size; /* of the whole body; PUSHED: declared, or pushed so far */
    uint64_t pushed_size; /* PUSHED: payload bytes so far */
    uint64_t sent;        /* bytes gone, with framing */
};

void sl_upload_init(struct sl_upload *upload, struct sl_allocator *allocator,
                    struct sl_pool *pool);
/* Gives back what it holds; as after init. Idempotent. */
void sl_upload_dispose(struct sl_upload *upload);

void sl_upload_set_text(struct sl_upload *upload, struct sl_view text);
/* Moves `content`; SL_MEMORY leaves it. */
enum sl_status sl_upload_set_sequence(struct sl_upload *upload,
                                      struct sl_sequence *content);
/* Adopts `file`. All of `size` bytes from `offset` are sent, and no others; `name`
 * is for messages, kept alive by the caller as text is. */
void sl_upload_set_file(struct sl_upload *upload, int file, int64_t offset,
                        uint64_t size, const char *name);
/* The same for a few bytes, which are read now; `file` stays the caller's.
 * SL_END: there are fewer. SL_INVALID: it cannot be read. SL_MEMORY. */
enum sl_status sl_upload_read_file(struct sl_upload *upload, int file,
                                   int64_t offset, size_t size);
/* `size` UINT64_MAX: chunked. */
void sl_upload_set_pushed(struct sl_upload *upload, uint64_t size);

/* All of `piece` as one chunk or as it is; `piece` is left empty. SL_INVALID:
 * more than was declared. SL_MEMORY. */
enum sl_status sl_upload_push(struct sl_upload *upload,
                              struct sl_buffer *piece);
/* No more follows. `trailers` are complete field lines, chunked only. SL_INVALID:
 * less than was declared. */
enum sl_status sl_upload_finish(struct sl_upload *upload,
                                struct sl_view trailers);

/* So that views show something: of a FILE, reads on when all that was read is
 * sent, or maps it if the kernel alone will look at the views: it fails with
 * EFAULT where a program would end, should the file become shorter meanwhile.
 * SL_OK, also at its end and of any other kind. SL_END: the file is shorter than it was. SL_INVALID:
 * it cannot be read. SL_MEMORY, SL_LIMIT. */
enum sl_status sl_upload_fill(struct sl_upload *upload, bool may_map);
/* Up to `count` views from where it stands; 0 when nothing is there now. */
size_t sl_upload_views(const struct sl_upload *upload, struct sl_view *views,
                       size_t count);
/* Copies up to `size` of the bytes that those views show; the count. */
size_t sl_upload_copy_out(const struct sl_upload *upload, char *to,
                          size_t size);
void sl_upload_advance(struct sl_upload *upload, size_t size);
/* Bytes of the body that were sent; of chunks never too many, and all of them
 * once nothing waits. */
uint64_t sl_upload_delivered(const struct sl_upload *upload);
/* Everything was sent; of a declared length whether or not somebody has said that
 * nothing follows. */
bool sl_upload_is_over(const struct sl_upload *upload);

/* Could be sent again from the start. */
bool sl_upload_is_replayable(const struct sl_upload *upload);
void sl_upload_rewind(struct sl_upload *upload);

#endif
