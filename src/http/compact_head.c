#include "http/compact_head.h"

#include "base/ascii.h"
#include "memory/pool.h"

/* ---- writing ---- */

/* Bytes of the text; 0: a part is too large for it. */
static size_t size_of_text(const struct sl_head *head)
{
    size_t size = head->reason_size;

    for (size_t i = 0; i < head->count; i++) {
        const struct sl_field *field = &head->fields[i];

        if (field->name_size >= SL_FIELD_HIDDEN ||
            field->value_size > UINT16_MAX)
            return 0;
        size += field->name_size + field->value_size;
    }
    return size;
}

static char *put(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

static void fill(const struct sl_head *head, struct sl_field_sizes *sizes)
{
    char *to = (char *)(sizes + head->count);

    to = put(to, head->text + head->reason, head->reason_size);
    for (size_t i = 0; i < head->count; i++) {
        const struct sl_field *field = &head->fields[i];

        sizes[i].name = field->name_size;
        if (field->is_hidden)
            sizes[i].name |= SL_FIELD_HIDDEN;
        sizes[i].value = (uint16_t)field->value_size;
        to = put(to, head->text + field->name, field->name_size);
        to = put(to, head->text + field->value, field->value_size);
    }
}

struct sl_field_sizes *sl_compact_head_create(const struct sl_head *head,
                                              uint32_t *text_size)
{
    size_t size = size_of_text(head);
    struct sl_field_sizes *sizes;

    if (size == 0)
        return NULL;
    sizes =
        sl_allocate(head->pool->allocator, head->count * sizeof *sizes + size);
    if (sizes == NULL)
        return NULL;
    fill(head, sizes);
    *text_size = (uint32_t)size;
    return sizes;
}

/* ---- reading: the fields one after the other ---- */

struct walk {
    struct sl_view name;
    struct sl_view value;
};

static void walk_to(const struct sl_head *head, struct walk *walk, size_t index,
                    const char *at)
{
    const struct sl_field_sizes *sizes = &head->sizes[index];

    walk->name = sl_view(at, sizes->name & ~SL_FIELD_HIDDEN);
    walk->value = sl_view(at + walk->name.size, sizes->value);
}

static struct walk walk_from_start(const struct sl_head *head, size_t index)
{
    struct walk walk;

    walk_to(head, &walk, 0, head->text + head->reason_size);
    for (size_t i = 1; i <= index; i++)
        walk_to(head, &walk, i, walk.value.data + walk.value.size);
    return walk;
}

size_t sl_compact_head_size(const struct sl_head *head)
{
    return head->count * sizeof(struct sl_field_sizes) + head->size;
}

struct sl_view sl_compact_head_name(const struct sl_head *head, size_t index)
{
    return walk_from_start(head, index).name;
}

struct sl_view sl_compact_head_value(const struct sl_head *head, size_t index)
{
    return walk_from_start(head, index).value;
}

bool sl_compact_head_is_hidden(const struct sl_head *head, size_t index)
{
    return (head->sizes[index].name & SL_FIELD_HIDDEN) != 0;
}

size_t sl_compact_head_find(const struct sl_head *head, size_t from,
                            struct sl_view name)
{
    const char *at = head->text + head->reason_size;
    struct walk walk;

    for (size_t i = 0; i < head->count; i++) {
        walk_to(head, &walk, i, at);
        at = walk.value.data + walk.value.size;
        if (i >= from && walk.name.size == name.size &&
            !sl_compact_head_is_hidden(head, i) &&
            sl_equal_ignoring_case(walk.name, name))
            return i;
    }
    return SIZE_MAX;
}
