#include "spec/c/memory/mixture.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory/buffer.h"
#include "memory/slices.h"

#define BUFFERS    3
#define ROOMS_MOST 8
#define BLOCK_MOST 40 /* segments in a block */
#define WHEEL      512
#define MODEL_SIZE ((size_t)1 << 19)
#define MODEL_FULL (MODEL_SIZE / 4)

struct side {
    struct sl_buffer buffer;
    char *bytes; /* what it has to hold */
    size_t size;
    struct sl_room rooms[ROOMS_MOST];
    size_t room_count; /* reserved; 0: none */
};

struct mixture {
    struct mixture_choices *choices;
    struct sl_pool *pool;
    struct side sides[BUFFERS];
    size_t unit; /* a segment of the pool */
    /* Each byte that is written is one more than the byte before. */
    char wheel[WHEEL];
    size_t next; /* in the first half of it */
};

static bool is_used_up(const struct mixture_choices *choices)
{
    return choices->seed == 0 && choices->size < 2;
}

/* 0 to `count` - 1. */
static size_t choose(struct mixture *self, size_t count)
{
    struct mixture_choices *choices = self->choices;
    uint64_t *seed = &choices->seed;
    size_t drawn;

    if (*seed != 0) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return (size_t)(*seed % count);
    }
    if (is_used_up(choices))
        return 0;
    drawn = (size_t)choices->data[0] | (size_t)choices->data[1] << 8;
    choices->data += 2;
    choices->size -= 2;
    return drawn % count;
}

/* A part of `most`, often a small one. */
static size_t choose_part(struct mixture *self, size_t most)
{
    size_t part = choose(self, most + 1);

    return choose(self, 2) == 0 ? part / 8 : part;
}

static void write_next(struct mixture *self, struct side *side, char *to,
                       size_t size)
{
    while (size > 0) {
        size_t count = size < WHEEL / 2 ? size : WHEEL / 2;

        memcpy(to, self->wheel + self->next, count);
        memcpy(side->bytes + side->size, to, count);
        side->size += count;
        self->next = (self->next + count) % 256;
        to += count;
        size -= count;
    }
}

static void drop_front(struct side *side, size_t size)
{
    side->size -= size;
    memmove(side->bytes, side->bytes + size, side->size);
}

/* ---- steps: false when a call failed that cannot ---- */

static bool append_bytes(struct mixture *self, struct side *side)
{
    size_t most = choose(self, 4) != 0 ? self->unit / 8 : self->unit * 3;
    size_t size = choose(self, most + 2);
    size_t before = side->size;
    char *bytes = malloc(size + 1);
    bool is_done;

    if (bytes == NULL)
        return false;
    write_next(self, side, bytes, size);
    is_done = sl_buffer_append(&side->buffer, sl_view(bytes, size)) == SL_OK;
    free(bytes);
    return is_done && side->size == before + size;
}

static bool move_bytes(struct mixture *self, struct side *to, struct side *from)
{
    size_t size = choose_part(self, from->size);

    if (to == from)
        return true;
    memcpy(to->bytes + to->size, from->bytes, size);
    to->size += size;
    drop_front(from, size);
    return sl_buffer_move(&to->buffer, &from->buffer, size) == SL_OK;
}

/* A range of a segment that `from` keeps, too; often its end, so that `to` may
 * write in the room behind it. */
static bool link_range(struct mixture *self, struct side *to, struct side *from)
{
    const struct sl_buffer *buffer = &from->buffer;
    const char *bytes = from->bytes;
    struct sl_slice slice;
    uint32_t index;
    size_t offset;
    size_t size;

    if (to == from || buffer->count == 0)
        return true;
    index = (uint32_t)choose(self, 2 * buffer->count);
    if (index >= buffer->count)
        index = buffer->count - 1;
    for (uint32_t i = 0; i < index; i++)
        bytes += sl_slices_at(buffer, i)->size;
    slice = *sl_slices_at(buffer, index);
    offset = choose(self, slice.size);
    size = choose(self, 2) == 0 ? slice.size - offset
                                : 1 + choose(self, slice.size - offset);
    memcpy(to->bytes + to->size, bytes + offset, size);
    to->size += size;
    return sl_buffer_link(&to->buffer, slice.segment, slice.data + offset,
                          size) == SL_OK;
}

static bool reserve_room(struct mixture *self, struct side *side, bool is_exact)
{
    size_t want =
        1 + choose(self, self->unit * (is_exact ? BLOCK_MOST : ROOMS_MOST));

    side->room_count = is_exact ? 1 : 1 + choose(self, ROOMS_MOST);
    if (is_exact)
        return sl_buffer_reserve(&side->buffer, want, side->rooms) == SL_OK;
    return sl_buffer_reserve_many(&side->buffer, want, side->rooms,
                                  &side->room_count) == SL_OK;
}

static bool commit_room(struct mixture *self, struct side *side)
{
    size_t room = 0;
    size_t size;
    size_t left;

    for (size_t i = 0; i < side->room_count; i++)
        room += side->rooms[i].size;
    size = choose(self, 3) != 0 ? room : choose_part(self, room);
    if (room > ROOMS_MOST * self->unit && choose(self, 4) != 0)
        size /= BLOCK_MOST; /* a block that little of is used is costly */
    left = size;
    for (size_t i = 0; left > 0; i++) {
        size_t here = side->rooms[i].size < left ? side->rooms[i].size : left;

        write_next(self, side, side->rooms[i].data, here);
        left -= here;
    }
    sl_buffer_commit(&side->buffer, size);
    side->room_count = 0;
    return true;
}

static bool consume_bytes(struct mixture *self, struct side *side)
{
    size_t size = choose_part(self, side->size);

    sl_buffer_consume(&side->buffer, size);
    drop_front(side, size);
    return true;
}

/* With the smallest ring, or the one it had. */
static void start_over(struct mixture *self, struct side *side)
{
    if (choose(self, 4) == 0) {
        sl_buffer_reset(&side->buffer);
    } else {
        sl_buffer_fini(&side->buffer);
        sl_buffer_init(&side->buffer, self->pool, SIZE_MAX);
    }
    side->size = 0;
}

static bool make_step(struct mixture *self)
{
    struct side *side = &self->sides[choose(self, BUFFERS)];
    struct side *other = &self->sides[choose(self, BUFFERS)];
    size_t step = choose(self, 12);

    /* While room is reserved, nothing but commit and the reader's calls. */
    if (side->room_count != 0)
        return step == 0 ? consume_bytes(self, side) : commit_room(self, side);
    if (side->size > MODEL_FULL || choose(self, 40) == 0) {
        start_over(self, side);
        return true;
    }
    switch (step) {
    case 0:
    case 1:
        return consume_bytes(self, side);
    case 2:
    case 3:
        return append_bytes(self, side);
    case 4:
        return other->room_count != 0 || move_bytes(self, side, other);
    case 5:
    case 6:
        return other->room_count != 0 || link_range(self, side, other);
    case 7:
        return reserve_room(self, side, true);
    case 8:
        if (choose(self, 6) == 0)
            sl_buffer_compact(&side->buffer);
        return true;
    default:
        return reserve_room(self, side, false);
    }
}

static const char *examine(struct side *side, char *scratch)
{
    struct sl_buffer *buffer = &side->buffer;

    if (buffer->count > buffer->capacity)
        return "a ring has room for its slices";
    if (side->room_count == 0 && !sl_buffer_is_valid(buffer))
        return "a buffer is valid";
    if (buffer->length != side->size)
        return "the length is known";
    if (sl_buffer_copy_out(buffer, 0, scratch, side->size) != side->size ||
        memcmp(scratch, side->bytes, side->size) != 0)
        return "the bytes are those that came, in order";
    return NULL;
}

const char *mixture_run(struct mixture_choices *choices, struct sl_pool *pool,
                        int steps)
{
    /* The model's arrays, and one more to compare with. */
    static char memory[BUFFERS + 1][MODEL_SIZE];
    struct mixture self = {
        .choices = choices, .pool = pool, .unit = pool->options.segment_size};
    const char *wrong = NULL;

    for (size_t i = 0; i < WHEEL; i++)
        self.wheel[i] = (char)i;
    for (size_t i = 0; i < BUFFERS; i++) {
        sl_buffer_init(&self.sides[i].buffer, pool, SIZE_MAX);
        self.sides[i].bytes = memory[i];
    }
    while (wrong == NULL && steps-- > 0 && !is_used_up(choices)) {
        if (!make_step(&self))
            wrong = "a call that cannot fail does not";
        for (size_t i = 0; i < BUFFERS && wrong == NULL; i++)
            wrong = examine(&self.sides[i], memory[BUFFERS]);
    }
    if (wrong != NULL) /* what is broken is not taken down */
        return wrong;
    for (size_t i = 0; i < BUFFERS; i++)
        sl_buffer_fini(&self.sides[i].buffer);
    return sl_pool_outstanding(pool) == 0 ? NULL : "all is given back";
}
