/* base/view.h - pointer and size, owning nothing */
#ifndef SL_BASE_VIEW_H
#define SL_BASE_VIEW_H

#include <stddef.h>
#include <string.h>

/* Bytes to read, good for as long as the function says that gave the view. */
struct sl_view {
    const char *data;
    size_t size;
};

/* Bytes to fill. */
struct sl_room {
    char *data;
    size_t size;
};

static inline struct sl_view sl_view(const char *data, size_t size)
{
    struct sl_view view = {data, size};

    return view;
}

#define SL_VIEW(literal) sl_view("" literal, sizeof(literal) - 1)

/* A constant's numeral, to be part of a literal: of a message, say. */
#define SL_NUMERAL(constant)    SL_NUMERAL_OF(constant)
#define SL_NUMERAL_OF(constant) #constant

static inline int sl_view_equal(struct sl_view a, struct sl_view b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Cuts `size` bytes off the front of `rest`. */
static inline struct sl_view sl_view_cut(struct sl_view *rest, size_t size)
{
    struct sl_view front = sl_view(rest->data, size);

    rest->data += size;
    rest->size -= size;
    return front;
}

#endif
