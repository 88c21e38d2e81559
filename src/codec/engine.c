#include "codec/engine.h"

/* A library call costs the same for little room as for much, and each ends with
 * a copy of up to 32 KiB into a window. But a block of which little is used
 * would be copied, or held for nothing. So the room is what all the input will
 * fill, if it goes on as it has begun, and a limit leaves an eighth of a block
 * empty at most. */
#define BLOCK_LEAST ((size_t)32 * 1024)
#define BLOCK_MOST  ((size_t)256 * 1024)

enum sl_status sl_engine_create(const struct sl_engine_class *class,
                                struct sl_allocator *allocator,
                                struct sl_engine **engine)
{
    struct sl_engine *made = sl_allocate_zeroed(allocator, class->size);
    enum sl_status status = SL_OK;

    if (made == NULL)
        return SL_MEMORY;
    made->class = class;
    made->allocator = allocator;
    if (class->init != NULL)
        status = class->init(made);
    if (status != SL_OK) {
        sl_free(allocator, made, class->size);
        return status;
    }
    *engine = made;
    return SL_OK;
}

void sl_engine_destroy(struct sl_engine *engine)
{
    if (engine->class->fini != NULL)
        engine->class->fini(engine);
    sl_free(engine->allocator, engine, engine->class->size);
}

enum sl_status sl_engine_reset(struct sl_engine *engine)
{
    engine->consumed = 0;
    engine->delivered = 0;
    engine->tail_room = 0;
    engine->surplus_first = 0;
    engine->surplus_end = 0;
    engine->has_more = false;
    return engine->class->reset(engine);
}

enum sl_status sl_engine_restart(struct sl_engine *engine)
{
    engine->has_more = false;
    return engine->class->restart(engine);
}

struct sl_view sl_engine_peek(const struct sl_engine *engine,
                              const struct sl_buffer *input)
{
    if (engine->surplus_first < engine->surplus_end)
        return sl_view(engine->surplus + engine->surplus_first,
                       engine->surplus_end - engine->surplus_first);
    if (input->length == 0) /* not NULL: engines count from it */
        return sl_view("", 0);
    return sl_buffer_peek_run(input);
}

void sl_engine_consume(struct sl_engine *engine, struct sl_buffer *input,
                       size_t size)
{
    if (engine->surplus_first < engine->surplus_end)
        engine->surplus_first += size;
    else
        sl_buffer_consume(input, size);
}

void sl_engine_unread(struct sl_engine *engine, struct sl_view bytes)
{
    size_t kept = engine->surplus_end - engine->surplus_first;

    sl_assert(bytes.size + kept <= sizeof(engine->surplus));
    memmove(engine->surplus + bytes.size,
            engine->surplus + engine->surplus_first, kept);
    memcpy(engine->surplus, bytes.data, bytes.size);
    engine->surplus_first = 0;
    engine->surplus_end = bytes.size + kept;
}

/* A power of two, 0 when a segment will do. */
static size_t block_size(const struct sl_engine *engine, size_t input,
                         size_t limit)
{
    size_t size = BLOCK_MOST;
    double expected;

    if (engine->consumed == 0)
        return 0;
    expected =
        (double)input * (double)engine->delivered / (double)engine->consumed;
    while (size >= BLOCK_LEAST &&
           (size - size / 8 > limit || (double)size > expected))
        size /= 2;
    return size >= BLOCK_LEAST ? size : 0;
}

/* Reserves the rest of the tail segment first. A large block is optional:
 * without one a segment will do. */
static enum sl_status reserve(struct sl_engine *engine,
                              struct sl_buffer *output, size_t input,
                              size_t limit, struct sl_room *room)
{
    enum sl_status status = SL_LIMIT;
    size_t block = 0;

    if (output->length == 0) /* drained, and its tail is gone */
        engine->tail_room = 0;
    if (engine->tail_room == 0)
        block = block_size(engine, input, limit);
    if (block > 0)
        status = sl_buffer_reserve(output, block, room);
    if (status != SL_OK)
        status = sl_buffer_reserve(output, 1, room);
    if (status != SL_OK)
        return status;
    engine->tail_room = room->size;
    if (room->size > limit)
        room->size = limit;
    return SL_OK;
}

/* Tries to end when the output is full. Data that has ended, or ends without
 * another byte, still fits. */
static enum sl_status probe(struct sl_engine *engine, struct sl_buffer *input,
                            const char **error)
{
    struct sl_view view = sl_engine_peek(engine, input);
    struct sl_view rest = view;
    char byte;
    struct sl_room room = {&byte, 1};
    const char *reason = NULL;
    enum sl_status status = engine->class->run(engine, &rest, &room, &reason);

    if (room.size == 0)
        return SL_LIMIT;
    if (reason != NULL)
        *error = reason;
    sl_engine_consume(engine, input, view.size - rest.size);
    engine->has_more = false;
    return status == SL_AGAIN ? SL_OK : status;
}

enum sl_status sl_engine_step(struct sl_engine *engine, struct sl_buffer *input,
                              struct sl_buffer *output, size_t limit,
                              struct sl_view *produced, const char **error)
{
    struct sl_view view = sl_engine_peek(engine, input);
    struct sl_view rest = view;
    struct sl_room room;
    struct sl_room left;
    enum sl_status status;

    *produced = sl_view("", 0);
    if (view.size == 0 && !engine->has_more)
        return SL_AGAIN;
    status = reserve(engine, output, input->length, limit, &room);
    if (status == SL_LIMIT)
        return probe(engine, input, error);
    if (status != SL_OK)
        return status;
    left = room;
    status = engine->class->run(engine, &rest, &left, error);
    *produced = sl_view(room.data, room.size - left.size);
    sl_engine_consume(engine, input, view.size - rest.size);
    engine->consumed += view.size - rest.size;
    engine->has_more = status == SL_OK;
    return status == SL_AGAIN ? SL_OK : status;
}

void sl_engine_commit(struct sl_engine *engine, struct sl_buffer *output,
                      struct sl_view produced)
{
    if (output->reserved == 0)
        return;
    sl_buffer_commit(output, produced.size);
    engine->tail_room -= produced.size;
    engine->delivered += produced.size;
}
