#include "ws/deflate.h"

#include <string.h>

/* ---- sending ---- */

struct sl_ws_deflater {
    struct sl_allocator *allocator;
    struct sl_compressor *compressor;
    struct sl_buffer output;
    bool has_input; /* of this message */
};

bool sl_ws_deflater_can(unsigned bits)
{
    return bits >= SL_COMPRESSOR_BITS_LEAST && bits <= SL_COMPRESSOR_BITS_MOST;
}

enum sl_status sl_ws_deflater_create(const struct sl_compressor_class *class,
                                     struct sl_pool *pool, unsigned bits,
                                     struct sl_ws_deflater **deflater)
{
    struct sl_ws_deflater *made =
        sl_allocate_zeroed(pool->allocator, sizeof *made);
    enum sl_status status;

    if (made == NULL)
        return SL_MEMORY;
    made->allocator = pool->allocator;
    sl_buffer_init(&made->output, pool, SIZE_MAX);
    status =
        sl_compressor_create(class, pool->allocator, bits, &made->compressor);
    if (status != SL_OK) {
        sl_ws_deflater_destroy(made);
        return status;
    }
    *deflater = made;
    return SL_OK;
}

void sl_ws_deflater_destroy(struct sl_ws_deflater *deflater)
{
    if (deflater == NULL)
        return;
    sl_compressor_destroy(deflater->compressor);
    sl_buffer_fini(&deflater->output);
    sl_free(deflater->allocator, deflater, sizeof *deflater);
}

struct sl_buffer *sl_ws_deflater_output(struct sl_ws_deflater *deflater)
{
    return &deflater->output;
}

static enum sl_status compress(struct sl_ws_deflater *deflater,
                               struct sl_view *payload, bool flushes)
{
    enum sl_status status;

    do {
        status = sl_compressor_step(deflater->compressor, payload,
                                    &deflater->output, flushes);
    } while (status == SL_OK);
    return status == SL_AGAIN ? SL_OK : status;
}

enum sl_status sl_ws_deflater_run(struct sl_ws_deflater *deflater,
                                  struct sl_view *payload)
{
    if (payload->size == 0)
        return SL_OK;
    deflater->has_input = true;
    return compress(deflater, payload, false);
}

enum sl_status sl_ws_deflater_end(struct sl_ws_deflater *deflater)
{
    struct sl_view nothing = sl_view("", 0);
    enum sl_status status;

    /* A library that has nothing to flush writes nothing. RFC 7692 7.2.3.6 */
    if (deflater->has_input)
        status = compress(deflater, &nothing, true);
    else
        status = sl_buffer_append(&deflater->output, SL_VIEW("\0\0\0\xff\xff"));
    if (status == SL_OK)
        deflater->has_input = false;
    return status;
}

/* ---- receiving ---- */

struct sl_ws_inflater {
    struct sl_allocator *allocator;
    struct sl_engine *engine;
    struct sl_buffer input;
    /* The end of the messages before this one, a ring: a final block makes the
     * library forget them, but not the peer. NULL: no context is kept. */
    char *window;
    size_t window_room;
    size_t window_size;
    size_t window_next;
    bool has_input; /* of this message */
    bool has_tail;  /* the same */
};

enum sl_status sl_ws_inflater_create(const struct sl_engine_class *class,
                                     struct sl_pool *pool, unsigned bits,
                                     bool keeps_context,
                                     struct sl_ws_inflater **inflater)
{
    struct sl_allocator *allocator = pool->allocator;
    struct sl_ws_inflater *made = sl_allocate_zeroed(allocator, sizeof *made);
    enum sl_status status;

    if (made == NULL)
        return SL_MEMORY;
    made->allocator = allocator;
    made->window_room = (size_t)1 << bits;
    sl_buffer_init(&made->input, pool, SIZE_MAX);
    status = sl_engine_create(class, allocator, &made->engine);
    if (status == SL_OK && keeps_context) {
        made->window = sl_allocate(allocator, made->window_room);
        status = made->window == NULL ? SL_MEMORY : SL_OK;
    }
    if (status != SL_OK) {
        sl_ws_inflater_destroy(made);
        return status;
    }
    *inflater = made;
    return SL_OK;
}

void sl_ws_inflater_destroy(struct sl_ws_inflater *inflater)
{
    if (inflater == NULL)
        return;
    if (inflater->engine != NULL)
        sl_engine_destroy(inflater->engine);
    if (inflater->window != NULL)
        sl_free(inflater->allocator, inflater->window, inflater->window_room);
    sl_buffer_fini(&inflater->input);
    sl_free(inflater->allocator, inflater, sizeof *inflater);
}

struct sl_buffer *sl_ws_inflater_input(struct sl_ws_inflater *inflater)
{
    return &inflater->input;
}

/* Keeps the end of a message. */
static void remember(struct sl_ws_inflater *inflater,
                     const struct sl_buffer *output)
{
    size_t room = inflater->window_room;
    size_t size = output->length < room ? output->length : room;
    size_t from = output->length - size;
    size_t here = room - inflater->window_next;

    if (inflater->window == NULL)
        return;
    if (here > size)
        here = size;
    sl_buffer_copy_out(output, from, inflater->window + inflater->window_next,
                       here);
    sl_buffer_copy_out(output, from + here, inflater->window, size - here);
    inflater->window_next = (inflater->window_next + size) % room;
    inflater->window_size += size;
    if (inflater->window_size > room)
        inflater->window_size = room;
}

/* Copies the last `size` bytes of the ring. */
static void recall(const struct sl_ws_inflater *inflater, char *to, size_t size)
{
    size_t room = inflater->window_room;
    size_t from = (inflater->window_next + room - size) % room;
    size_t here = room - from < size ? room - from : size;

    if (size == 0)
        return;
    memcpy(to, inflater->window + from, here);
    memcpy(to + here, inflater->window, size - here);
}

/* Beginning anew behind a final block costs as much as inflating so many bytes.
 */
#define FINAL_COST ((size_t)16 * 1024)

/* RFC 7692 7.2.3.4: more blocks may follow a final one in the same message, and
 * refer to what stands before it. */
static enum sl_status go_on(struct sl_ws_inflater *inflater,
                            const struct sl_buffer *output)
{
    size_t room = inflater->window_room;
    size_t here = output->length < room ? output->length : room;
    size_t before = inflater->window_size;
    char *context;
    enum sl_status status = sl_engine_restart(inflater->engine);

    if (before > room - here)
        before = room - here;
    if (status != SL_OK || before + here == 0)
        return status;
    context = sl_allocate(inflater->allocator, before + here);
    if (context == NULL)
        return SL_MEMORY;
    recall(inflater, context, before);
    sl_buffer_copy_out(output, output->length - here, context + before, here);
    status = inflater->engine->class->prime(inflater->engine,
                                            sl_view(context, before + here));
    sl_free(inflater->allocator, context, before + here);
    return status;
}

static void charge(size_t *budget, size_t size)
{
    *budget -= size < *budget ? size : *budget;
}

/* SL_OK: go on. SL_AGAIN: all input is used. */
static enum sl_status step(struct sl_ws_inflater *inflater,
                           struct sl_buffer *output, struct sl_utf8 *utf8,
                           size_t *budget, const char **error)
{
    size_t limit = output->max_size - output->length;
    struct sl_view produced;
    bool is_text = true;
    enum sl_status status =
        sl_engine_step(inflater->engine, &inflater->input, output,
                       limit > 0 ? limit : 1, &produced, error);

    if (utf8 != NULL)
        is_text = sl_utf8_check(utf8, produced) == SL_OK;
    sl_engine_commit(inflater->engine, output, produced);
    if (sl_is_failure(status))
        return status;
    if (!is_text) {
        *error = "text is not UTF-8";
        return SL_DECODE;
    }
    charge(budget, produced.size);
    if (status != SL_END)
        return status;
    charge(budget, FINAL_COST);
    return go_on(inflater, output);
}

/* All input is used, and so is the tail. */
static enum sl_status end(struct sl_ws_inflater *inflater,
                          const struct sl_buffer *output, const char **error)
{
    struct sl_engine *engine = inflater->engine;

    if (inflater->has_tail && !engine->class->is_between(engine)) {
        *error = "a compressed message is cut off";
        return SL_DECODE;
    }
    inflater->has_input = false;
    inflater->has_tail = false;
    remember(inflater, output);
    return SL_END;
}

enum sl_status sl_ws_inflater_run(struct sl_ws_inflater *inflater,
                                  struct sl_buffer *output, bool is_last,
                                  struct sl_utf8 *utf8, size_t *budget,
                                  const char **error)
{
    enum sl_status status = SL_OK;

    if (inflater->input.length > 0)
        inflater->has_input = true;
    while (status == SL_OK && *budget > 0) {
        status = step(inflater, output, utf8, budget, error);
        if (status != SL_AGAIN || !is_last)
            continue;
        if (inflater->has_tail || !inflater->has_input)
            return end(inflater, output, error);
        sl_engine_unread(inflater->engine, SL_VIEW("\0\0\xff\xff"));
        inflater->has_tail = true;
        status = SL_OK;
    }
    return status;
}
