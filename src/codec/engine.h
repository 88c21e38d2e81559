/* codec/engine.h - what a decompression library does, without framing
 *
 *   buffer > [ surplus | head run ] > engine > room at the tail > buffer
 *
 * One constant table per library. gzip.c puts the gzip and zlib formats around
 * an engine for raw deflate; bare.c runs formats that delimit themselves.
 */
#ifndef SL_CODEC_ENGINE_H
#define SL_CODEC_ENGINE_H

#include "base/allocator.h"
#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

#include <stdint.h>

struct sl_engine;

struct sl_engine_class {
    size_t size; /* of its struct, which begins with a struct sl_engine */
    /* Sets up a zeroed struct. NULL: zeroes are enough. SL_MEMORY. */
    enum sl_status (*init)(struct sl_engine *engine);
    void (*fini)(struct sl_engine *engine); /* NULL: the same */
    /* Called behind the end of a body: frees memory that an idle engine should
     * not hold. A failure leaves an engine that can only be destroyed. */
    enum sl_status (*reset)(struct sl_engine *engine);
    /* Behind SL_END, for more data of the same body: keeps all memory, for
     * there may be such an end every few bytes. NULL: nothing may follow.
     * Failures as of reset. */
    enum sl_status (*restart)(struct sl_engine *engine);
    /* Takes from the front of `input`, fills the front of `room`, and moves
     * both past what it used. SL_OK: the room is full, more may come.
     * SL_AGAIN: all input is used. SL_END: the data ended; the input is moved
     * to the first byte behind it; what lay in earlier input is unread.
     * SL_DECODE, SL_MEMORY: broken until reset. */
    enum sl_status (*run)(struct sl_engine *engine, struct sl_view *input,
                          struct sl_room *room, const char **error);
    /* Behind reset or restart: data may refer to these bytes, at most 32 KiB,
     * as if they came before it. NULL where is_between is. SL_MEMORY. */
    enum sl_status (*prime)(struct sl_engine *engine, struct sl_view before);
    /* Whether the data that was run could end here: it is a whole count of
     * blocks and of bytes. NULL: unknown. */
    bool (*is_between)(const struct sl_engine *engine);
};

struct sl_engine {
    const struct sl_engine_class *class;
    struct sl_allocator *allocator;
    size_t tail_room;   /* left at the tail of the output by the last step */
    uint64_t consumed;  /* bytes since the last reset */
    uint64_t delivered; /* the same of the output */
    bool has_more;      /* the last step ended because its room was full */
    /* Bytes to be read before the input: the engine took too many. */
    char surplus[16];
    size_t surplus_first;
    size_t surplus_end;
};

/* Raw deflate, each in the file of its library: inflate.c, isal.c. */
extern const struct sl_engine_class sl_engine_inflate; /* in every build */
extern const struct sl_engine_class sl_engine_isal;

enum sl_status sl_engine_create(const struct sl_engine_class *class,
                                struct sl_allocator *allocator,
                                struct sl_engine **engine);
void sl_engine_destroy(struct sl_engine *engine);
/* Prepares for the next body. */
enum sl_status sl_engine_reset(struct sl_engine *engine);
/* Prepares for the next frame or member of the same body, where the class can:
 * keeps the surplus. */
enum sl_status sl_engine_restart(struct sl_engine *engine);

/* The next bytes behind those that the engine took; empty at the end. */
struct sl_view sl_engine_peek(const struct sl_engine *engine,
                              const struct sl_buffer *input);
void sl_engine_consume(struct sl_engine *engine, struct sl_buffer *input,
                       size_t size);

/* Puts a few bytes that were consumed back before all others. */
void sl_engine_unread(struct sl_engine *engine, struct sl_view bytes);

/* Runs once over one piece of `input` and one piece of room of `output`, at
 * most `limit` bytes (at least 1). `produced` shows the bytes written there;
 * look at it and then call sl_engine_commit, whatever the answer. SL_OK: go on.
 * SL_AGAIN: `input` is empty and nothing is left inside. SL_END: as in run.
 * Failures as in run, where `*error` is set; SL_LIMIT, SL_MEMORY also when
 * `output` cannot grow by another byte, and then it is left alone. */
enum sl_status sl_engine_step(struct sl_engine *engine, struct sl_buffer *input,
                              struct sl_buffer *output, size_t limit,
                              struct sl_view *produced, const char **error);
/* Makes the produced bytes content of `output`, which may move them. */
void sl_engine_commit(struct sl_engine *engine, struct sl_buffer *output,
                      struct sl_view produced);

#endif
