/* codec/compressor.h - raw deflate (RFC 1951), as a library writes it
 *
 * in: views    out: the tail of a buffer
 *
 * One constant table for each library. What was compressed before is the
 * context of what follows, for as long as the compressor lives.
 */
#ifndef SL_CODEC_COMPRESSOR_H
#define SL_CODEC_COMPRESSOR_H

#include "base/allocator.h"
#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

struct sl_compressor;

/* Windows of fewer bits than 9 no library writes. */
#define SL_COMPRESSOR_BITS_LEAST 9
#define SL_COMPRESSOR_BITS_MOST  15

struct sl_compressor_class {
    size_t size; /* of its struct, which begins with a struct sl_compressor */
    /* Sets up a zeroed struct. SL_MEMORY. */
    enum sl_status (*init)(struct sl_compressor *compressor, unsigned bits);
    void (*fini)(struct sl_compressor *compressor);
    /* Takes from the front of `input`, fills the front of `room`, and moves
     * both past what it used. SL_OK: the room is full. SL_AGAIN: all input is
     * taken and, with `flushes`, all output is there up to an empty stored
     * block. */
    enum sl_status (*run)(struct sl_compressor *compressor,
                          struct sl_view *input, struct sl_room *room,
                          bool flushes);
};

struct sl_compressor {
    const struct sl_compressor_class *class;
    struct sl_allocator *allocator;
};

/* Each in the file of its library. */
extern const struct sl_compressor_class sl_compressor_zlib; /* deflate.c */
extern const struct sl_compressor_class sl_compressor_isal; /* isal_deflate.c */

/* The fastest of this build. */
extern const struct sl_compressor_class *const sl_compressor_fastest;

/* With a window of 2 to the `bits`. SL_MEMORY. */
enum sl_status sl_compressor_create(const struct sl_compressor_class *class,
                                    struct sl_allocator *allocator,
                                    unsigned bits,
                                    struct sl_compressor **compressor);
/* NULL is allowed. */
void sl_compressor_destroy(struct sl_compressor *compressor);

/* Compresses once into the room at the tail of `output`, and moves `input` past
 * what was taken. SL_OK: go on. SL_AGAIN: all is taken, and flushed if asked
 * to. SL_LIMIT, SL_MEMORY: `output` cannot grow; nothing was done. */
enum sl_status sl_compressor_step(struct sl_compressor *compressor,
                                  struct sl_view *input,
                                  struct sl_buffer *output, bool flushes);

#endif
