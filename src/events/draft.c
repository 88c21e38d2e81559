#include "events/draft.h"

#include <stddef.h>
#include <string.h>

enum sl_status sl_kept_add(struct sl_kept *kept, struct sl_pool *pool,
                           struct sl_view bytes)
{
    struct sl_segment *old = kept->block;
    size_t size = kept->size + bytes.size;

    if (bytes.size == 0)
        return SL_OK;
    if (old == NULL || size > old->capacity) {
        size_t twice = old == NULL ? 0 : 2 * old->capacity;
        enum sl_status status =
            sl_pool_rent_block(pool, size > twice ? size : twice, &kept->block);

        if (status != SL_OK) {
            kept->block = old;
            return status;
        }
        if (kept->size > 0)
            memcpy(kept->block->data, old->data, kept->size);
    }
    memcpy(kept->block->data + kept->size, bytes.data, bytes.size);
    kept->size = size;
    if (old != NULL && old != kept->block)
        sl_segment_release(old);
    return SL_OK;
}

void sl_kept_release(struct sl_kept *kept)
{
    if (kept->block != NULL)
        sl_segment_release(kept->block);
    kept->block = NULL;
    kept->size = 0;
}

/* ---- a life ---- */

enum sl_status sl_draft_rent(struct sl_pool *pool, struct sl_draft **draft)
{
    struct sl_segment *block;
    enum sl_status status = sl_pool_rent_block(pool, sizeof **draft, &block);

    if (status != SL_OK)
        return status;
    *draft = (struct sl_draft *)(void *)block->data;
    memset(*draft, 0, offsetof(struct sl_draft, room));
    (*draft)->block = block;
    return SL_OK;
}

void sl_draft_release(struct sl_draft *draft)
{
    sl_kept_release(&draft->text);
    sl_kept_release(&draft->names);
    sl_segment_release(draft->block);
}

void sl_draft_clear(struct sl_draft *draft)
{
    draft->text.size = draft->names.size = 0;
    draft->data_size = draft->data_lines = 0;
    draft->type.size = 0;
}

/* ---- data, and a line that has begun ---- */

enum sl_status sl_draft_add_data(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_view bytes)
{
    enum sl_status status = sl_kept_add(&draft->text, pool, bytes);

    draft->data_size = draft->text.size;
    return status;
}

enum sl_status sl_draft_add_line(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_view bytes)
{
    return sl_kept_add(&draft->text, pool, bytes);
}

void sl_draft_join_line(struct sl_draft *draft, struct sl_view value)
{
    char *to = draft->text.block->data + draft->data_size;

    if (draft->data_lines++ > 0)
        *to++ = '\n';
    if (value.size > 0)
        memmove(to, value.data, value.size);
    draft->text.size = (size_t)(to - draft->text.block->data) + value.size;
    draft->data_size = draft->text.size;
}

void sl_draft_drop_line(struct sl_draft *draft)
{
    draft->text.size = draft->data_size;
}

/* ---- names ---- */

enum sl_status sl_draft_set_name(struct sl_draft *draft, struct sl_pool *pool,
                                 struct sl_draft_name *name,
                                 struct sl_view value)
{
    struct sl_kept *names = &draft->names;

    name->at = names->size;
    name->size = value.size;
    if (names->block == NULL &&
        value.size <= SL_DRAFT_NAMES_ROOM - names->size) {
        if (value.size > 0)
            memcpy(draft->room + names->size, value.data, value.size);
        names->size += value.size;
        return SL_OK;
    }
    if (names->block == NULL) { /* from now on all are in a block */
        struct sl_view earlier = sl_view(draft->room, names->size);
        enum sl_status status;

        names->size = 0;
        status = sl_kept_add(names, pool, earlier);
        if (status != SL_OK)
            return status;
    }
    return sl_kept_add(names, pool, value);
}

struct sl_view sl_draft_name(const struct sl_draft *draft,
                             const struct sl_draft_name *name)
{
    const char *names =
        draft->names.block != NULL ? draft->names.block->data : draft->room;

    return name->size == 0 ? sl_view("", 0)
                           : sl_view(names + name->at, name->size);
}
