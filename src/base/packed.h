/* base/packed.h - texts that stand behind a struct, in its own allocation
 *
 *   [ struct | "first" | "second" ]
 *             ^ room moves on with each copy
 *
 * NULL is a text without bytes, and stays NULL.
 */
#ifndef SL_BASE_PACKED_H
#define SL_BASE_PACKED_H

#include <stddef.h>
#include <string.h>

/* The bytes that a copy takes. */
static inline size_t sl_packed_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies to `*room`, which moves behind the copy. */
static inline const char *sl_packed_copy(char **room, const char *text)
{
    size_t size = sl_packed_size(text);
    char *copy = *room;

    if (text == NULL)
        return NULL;
    memcpy(copy, text, size);
    *room += size;
    return copy;
}

#endif
