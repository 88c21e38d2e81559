/* JSON texts: flat, in two pieces and byte by byte they must come to the same
 * events and the same end; what was accepted, written again, comes to them too.
 *
 *   byte 0   where it is cut
 *   rest     the text
 */
#include "codec/json.h"
#include "codec/json_write.h"
#include "memory/pool.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct sl_writer events; /* each with its content, and a mark behind it */
    struct sl_writer text;   /* written anew */
    enum sl_status status;
    const char *error;
    size_t offset;
};

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static void note(struct outcome *outcome, const void *bytes, size_t size)
{
    demand(sl_writer_write(&outcome->events, sl_view(bytes, size)) == SL_OK,
           "memory");
}

static void write_text(struct outcome *outcome, struct sl_json_output *output,
                       const struct sl_json *json, struct sl_view text)
{
    char *copy = malloc(text.size + 1);

    demand(copy != NULL, "memory");
    copy = realloc(copy, text.size ? text.size : 1);
    if (text.data == NULL)
        sl_json_read_text(json, copy);
    else
        memcpy(copy, text.data, text.size);
    text.data = copy;
    note(outcome, text.data, text.size);
    demand(sl_json_put_text(output, text) == SL_OK, "what is read is UTF-8");
    free(copy);
}

static void write_event(struct outcome *outcome, struct sl_json_output *output,
                        const struct sl_json *json,
                        const struct sl_json_event *event)
{
    char mark = (char)event->type;

    switch (event->type) {
    case SL_JSON_NULL:
        sl_json_put_word(output, SL_VIEW("null"));
        break;
    case SL_JSON_FALSE:
        sl_json_put_word(output, SL_VIEW("false"));
        break;
    case SL_JSON_TRUE:
        sl_json_put_word(output, SL_VIEW("true"));
        break;
    case SL_JSON_INTEGER:
        note(outcome, &event->integer, sizeof event->integer);
        sl_json_put_integer(output, event->integer);
        break;
    case SL_JSON_DOUBLE:
        note(outcome, &event->number, sizeof event->number);
        demand(sl_json_put_double(output, event->number) == SL_OK, "finite");
        break;
    case SL_JSON_STRING:
    case SL_JSON_KEY:
        write_text(outcome, output, json, event->text);
        break;
    case SL_JSON_ARRAY:
    case SL_JSON_OBJECT:
        sl_json_put(output, event->type == SL_JSON_ARRAY ? '[' : '{');
        break;
    case SL_JSON_ARRAY_END:
    case SL_JSON_OBJECT_END:
        sl_json_put(output, event->type == SL_JSON_ARRAY_END ? ']' : '}');
        break;
    }
    note(outcome, &mark, 1);
}

static void run(struct outcome *outcome, struct sl_pool *pool,
                struct sl_json *json)
{
    struct sl_json_output output;
    struct sl_json_event event;
    bool is_first = true;

    sl_writer_init(&outcome->events, pool, 64, SIZE_MAX);
    sl_writer_init(&outcome->text, pool, 64, SIZE_MAX);
    sl_json_begin(&output, &outcome->text);
    while ((outcome->status = sl_json_next(json, &event)) == SL_OK) {
        bool is_end =
            event.type == SL_JSON_ARRAY_END || event.type == SL_JSON_OBJECT_END;

        if (!is_first && !is_end)
            sl_json_put(&output, ',');
        write_event(outcome, &output, json, &event);
        if (event.type == SL_JSON_KEY)
            sl_json_put(&output, ':');
        is_first = event.type == SL_JSON_KEY || event.type == SL_JSON_ARRAY ||
                   event.type == SL_JSON_OBJECT;
    }
    sl_json_finish(&output);
    outcome->error = json->input.error;
    outcome->offset = json->input.offset;
    demand(outcome->status == SL_END || outcome->status == SL_DECODE,
           "it ends one way or the other");
    demand((outcome->error == NULL) == (outcome->status == SL_END),
           "a refusal has its reason");
    demand(sl_json_next(json, &event) == outcome->status, "for good");
}

/* Pieces of `first`, then `step` bytes, each in memory of its own so that no
 * byte behind it can be touched. */
static void run_cut(struct outcome *outcome, struct sl_pool *pool,
                    struct sl_view text, size_t first, size_t step)
{
    struct sl_sequence_slice *slices = calloc(text.size + 1, sizeof *slices);
    struct sl_sequence sequence = {.slices = slices};
    struct sl_json json;
    size_t next = first;
    size_t i;

    demand(slices != NULL, "memory");
    while (sequence.size < text.size) {
        size_t left = text.size - sequence.size;
        size_t size = next < left ? next : left;
        char *copy = malloc(size);

        demand(copy != NULL, "memory");
        memcpy(copy, text.data + sequence.size, size);
        slices[sequence.count].data = copy;
        slices[sequence.count].size = size;
        slices[sequence.count++].index = sequence.size;
        sequence.size += size;
        next = step;
    }
    sl_json_init(&json, &sequence);
    run(outcome, pool, &json);
    for (i = 0; i < sequence.count; i++)
        free((void *)(uintptr_t)slices[i].data);
    free(slices);
}

static void run_flat(struct outcome *outcome, struct sl_pool *pool,
                     struct sl_view text)
{
    struct sl_json json;
    char *copy = malloc(text.size ? text.size : 1);

    demand(copy != NULL, "memory");
    memcpy(copy, text.data, text.size);
    sl_json_init_view(&json, sl_view(copy, text.size));
    run(outcome, pool, &json);
    free(copy);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    demand(a->status == b->status, "the same status");
    demand(a->error == b->error && a->offset == b->offset, "the same error");
    demand(
        sl_view_equal(sl_writer_view(&a->events), sl_writer_view(&b->events)),
        "the same events");
}

static void drop(struct outcome *outcome)
{
    sl_writer_dispose(&outcome->events);
    sl_writer_dispose(&outcome->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_pool_options options = {.mode = SL_POOL_DIRECT};
    struct outcome flat, halves, bytes;
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_view text;

    if (size < 1)
        return 0;
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, &options);
    text = sl_view((const char *)data + 1, size - 1);
    run_flat(&flat, &pool, text);
    run_cut(&halves, &pool, text, (size_t)data[0] + 1, SIZE_MAX);
    run_cut(&bytes, &pool, text, 1, 1);
    compare(&flat, &halves);
    compare(&flat, &bytes);
    drop(&halves);
    drop(&bytes);
    if (flat.status == SL_END) {
        run_flat(&halves, &pool, sl_writer_view(&flat.text));
        compare(&flat, &halves);
        demand(sl_view_equal(sl_writer_view(&flat.text),
                             sl_writer_view(&halves.text)),
               "the same text again");
        drop(&halves);
    }
    drop(&flat);
    demand(sl_pool_fini(&pool) == 0, "no leak");
    return 0;
}
