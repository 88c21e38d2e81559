/* One head or trailer section: whole and in two pieces it must come to the
 * same, and what is accepted must be what the grammar says.
 *
 *   byte 0   trailers, lenient_lf
 *   byte 1   where it is cut
 *   rest     bytes as received
 */
#include "http/framing.h"
#include "http/head_parse.h"
#include "http/token.h"
#include "memory/pool.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static bool is_inside(const struct sl_head *head, struct sl_view view)
{
    return view.data >= head->text &&
           view.data + view.size <= head->text + head->size;
}

static void check_head(const struct sl_head *head)
{
    struct sl_framing framing;
    struct sl_content_codings codings;
    struct sl_request_traits request = {.wants_upgrade = true};
    const char *error = NULL;
    size_t i;

    for (i = 0; i < head->count; i++) {
        struct sl_view name = sl_head_name(head, i);
        struct sl_view value = sl_head_value(head, i);

        demand(is_inside(head, name) && is_inside(head, value), "in the text");
        demand(sl_is_token(name), "a name is a token");
        demand(sl_is_field_value(value), "a value is a field value");
        demand(sl_trim(value).size == value.size, "a value is trimmed");
        demand(sl_head_find(head, i, name) == i, "a field can be found");
    }
    if (head->is_trailers)
        return;
    demand(head->status >= 100 && head->status <= 999, "a status");
    demand(head->minor_version == 0 || head->minor_version == 1, "a version");
    demand(sl_is_field_value(sl_head_reason(head)), "a reason");
    demand((sl_framing_decide(&framing, &codings, head, request, &error) ==
            SL_OK) == (error == NULL),
           "a refusal has its reason");
}

static enum sl_status parse(struct sl_head *head, struct sl_buffer *input,
                            struct sl_view bytes)
{
    demand(sl_buffer_append(input, bytes) == SL_OK, "memory");
    return sl_head_parse(head, input);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool has_same_fields(const struct sl_head *a, const struct sl_head *b)
{
    if (a->text == NULL)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        if (!sl_view_equal(sl_head_name(a, i), sl_head_name(b, i)) ||
            !sl_view_equal(sl_head_value(a, i), sl_head_value(b, i)) ||
            sl_head_find(a, i, sl_head_name(a, i)) !=
                sl_head_find(b, i, sl_head_name(a, i)))
            return false;
    }
    return sl_view_equal(sl_head_reason(a), sl_head_reason(b));
}

static bool is_same(const struct sl_head *a, const struct sl_head *b)
{
    if (a->failed != b->failed || !is_same_text(a->error, b->error) ||
        (a->text == NULL) != (b->text == NULL))
        return false;
    if (a->text == NULL)
        return true;
    if (a->size != b->size || a->count != b->count || a->status != b->status ||
        memcmp(a->text, b->text, a->size) != 0)
        return false;
    return has_same_fields(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_head_limits limits = {1024, 200, 16, false};
    struct sl_pool_options options = {0};
    struct sl_allocator allocator;
    struct sl_pool pool, tiny_pool;
    struct sl_buffer input, tiny_input;
    struct sl_head whole, cut_up;
    struct sl_view wire;
    size_t at;

    if (size < OPTIONS)
        return 0;
    limits.lenient_lf = data[0] & 2;
    sl_allocator_init_system(&allocator);
    options.mode = SL_POOL_DIRECT;
    sl_pool_init(&pool, &allocator, &options);
    options.segment_size = 23;
    sl_pool_init(&tiny_pool, &allocator, &options);
    sl_buffer_init(&input, &pool, SIZE_MAX);
    sl_buffer_init(&tiny_input, &tiny_pool, SIZE_MAX);
    sl_head_init(&whole, &pool, &limits);
    sl_head_init(&cut_up, &tiny_pool, &limits);
    whole.is_trailers = cut_up.is_trailers = data[0] & 1;

    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    at = data[1] < wire.size ? data[1] : wire.size;
    if (parse(&whole, &input, wire) == SL_OK)
        check_head(&whole);
    if (parse(&cut_up, &tiny_input, sl_view(wire.data, at)) == SL_AGAIN)
        parse(&cut_up, &tiny_input, sl_view(wire.data + at, wire.size - at));
    demand(is_same(&whole, &cut_up), "cuts do not matter");
    sl_head_compact(&cut_up);
    demand(has_same_fields(&whole, &cut_up), "a compact head is the same");

    sl_head_fini(&whole);
    sl_head_fini(&cut_up);
    sl_buffer_fini(&input);
    sl_buffer_fini(&tiny_input);
    demand(sl_pool_fini(&pool) + sl_pool_fini(&tiny_pool) == 0, "no leak");
    return 0;
}
