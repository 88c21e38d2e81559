/* codec/foreign.h - sl_allocator for libraries that free without a size
 *
 *   [ size | padding to 16 ][ what the library sees ]
 *
 * For libraries that take functions with an owner, here the sl_allocator.
 */
#ifndef SL_CODEC_FOREIGN_H
#define SL_CODEC_FOREIGN_H

#include "base/allocator.h"

#define SL_FOREIGN_HEADER ((size_t)16) /* keeps malloc's alignment */

static inline void *sl_foreign_allocate(void *allocator, size_t size)
{
    char *block;

    if (size > SIZE_MAX - SL_FOREIGN_HEADER)
        return NULL;
    block = sl_allocate(allocator, size + SL_FOREIGN_HEADER);
    if (block == NULL)
        return NULL;
    *(size_t *)(void *)block = size + SL_FOREIGN_HEADER;
    return block + SL_FOREIGN_HEADER;
}

static inline void sl_foreign_free(void *allocator, void *pointer)
{
    char *block;

    if (pointer == NULL)
        return;
    block = (char *)pointer - SL_FOREIGN_HEADER;
    sl_free(allocator, block, *(size_t *)(void *)block);
}

#endif
