#include "codec/compressor.h"

/* With less room zlib would write the marks of a flush again and again. */
#define ROOM_LEAST ((size_t)16)

/* ISA-L compresses several times as fast as zlib. */
#ifdef SL_HAVE_ISAL
const struct sl_compressor_class *const sl_compressor_fastest =
    &sl_compressor_isal;
#else
const struct sl_compressor_class *const sl_compressor_fastest =
    &sl_compressor_zlib;
#endif

enum sl_status sl_compressor_create(const struct sl_compressor_class *class,
                                    struct sl_allocator *allocator,
                                    unsigned bits,
                                    struct sl_compressor **compressor)
{
    struct sl_compressor *made = sl_allocate_zeroed(allocator, class->size);
    enum sl_status status;

    sl_assert(bits >= SL_COMPRESSOR_BITS_LEAST &&
              bits <= SL_COMPRESSOR_BITS_MOST);
    if (made == NULL)
        return SL_MEMORY;
    made->class = class;
    made->allocator = allocator;
    status = class->init(made, bits);
    if (status != SL_OK) {
        sl_free(allocator, made, class->size);
        return status;
    }
    *compressor = made;
    return SL_OK;
}

void sl_compressor_destroy(struct sl_compressor *compressor)
{
    if (compressor == NULL)
        return;
    compressor->class->fini(compressor);
    sl_free(compressor->allocator, compressor, compressor->class->size);
}

enum sl_status sl_compressor_step(struct sl_compressor *compressor,
                                  struct sl_view *input,
                                  struct sl_buffer *output, bool flushes)
{
    struct sl_room room;
    struct sl_room left;
    enum sl_status status = sl_buffer_reserve(output, ROOM_LEAST, &room);

    if (status != SL_OK)
        return status;
    left = room;
    status = compressor->class->run(compressor, input, &left, flushes);
    sl_buffer_commit(output, room.size - left.size);
    return status;
}
