#include "http/head.h"

#include "base/ascii.h"
#include "base/debug.h"
#include "http/compact_head.h"
#include "memory/pool.h"

#include <stdint.h>

/* ---- life ---- */

void sl_head_init(struct sl_head *head, struct sl_pool *pool,
                  const struct sl_head_limits *limits)
{
    memset(head, 0, sizeof(*head));
    head->pool = pool;
    head->limits = limits;
}

void sl_head_init_trailers(struct sl_head *head, struct sl_pool *pool,
                           const struct sl_head_limits *limits)
{
    sl_head_init(head, pool, limits);
    head->is_trailers = true;
}

static bool is_compact(const struct sl_head *head)
{
    return head->block == NULL;
}

size_t sl_head_size(const struct sl_head *head)
{
    if (is_compact(head))
        return sl_compact_head_size(head);
    return head->count * sizeof(struct sl_field) + head->size;
}

void sl_head_fini(struct sl_head *head)
{
    if (head->block != NULL)
        sl_segment_release(head->block);
    else if (head->sizes != NULL)
        sl_free(head->pool->allocator, head->sizes, sl_head_size(head));
    head->block = NULL;
    head->fields = NULL;
    head->text = NULL;
    head->size = 0;
    head->count = 0;
}

void sl_head_reset(struct sl_head *head)
{
    struct sl_pool *pool = head->pool;
    const struct sl_head_limits *limits = head->limits;
    bool is_trailers = head->is_trailers;

    sl_head_fini(head);
    sl_head_init(head, pool, limits);
    head->is_trailers = is_trailers;
}

/* ---- once it is complete ---- */

void sl_head_compact(struct sl_head *head)
{
    struct sl_segment *block = head->block;
    struct sl_field_sizes *sizes;
    uint32_t size;

    if (head->text == NULL || block == NULL || head->count == 0)
        return;
    sizes = sl_compact_head_create(head, &size);
    if (sizes == NULL)
        return;
    head->sizes = sizes;
    head->text = (char *)(sizes + head->count);
    head->size = size;
    head->reason = 0;
    head->block = NULL;
    sl_segment_release(block);
}

void sl_head_forget(struct sl_head *head)
{
    sl_assert(head->text != NULL);
    sl_head_fini(head);
    head->text = "";
    head->reason = head->reason_size = 0;
}

/* ---- reading ---- */

struct sl_view sl_head_name(const struct sl_head *head, size_t index)
{
    const struct sl_field *field = &head->fields[index];

    if (is_compact(head))
        return sl_compact_head_name(head, index);
    return sl_view(head->text + field->name, field->name_size);
}

struct sl_view sl_head_value(const struct sl_head *head, size_t index)
{
    const struct sl_field *field = &head->fields[index];

    if (is_compact(head))
        return sl_compact_head_value(head, index);
    return sl_view(head->text + field->value, field->value_size);
}

struct sl_view sl_head_reason(const struct sl_head *head)
{
    return sl_view(head->text + head->reason, head->reason_size);
}

bool sl_head_is_hidden(const struct sl_head *head, size_t index)
{
    return is_compact(head) ? sl_compact_head_is_hidden(head, index)
                            : head->fields[index].is_hidden;
}

size_t sl_head_find(const struct sl_head *head, size_t from,
                    struct sl_view name)
{
    if (is_compact(head))
        return sl_compact_head_find(head, from, name);
    for (size_t i = from; i < head->count; i++) {
        const struct sl_field *field = &head->fields[i];

        if (field->name_size == name.size && !field->is_hidden &&
            sl_equal_ignoring_case(
                sl_view(head->text + field->name, field->name_size), name))
            return i;
    }
    return SIZE_MAX;
}
