#include "codec/mask.h"

#include <string.h>

/* A block is a register of every machine with vectors; a compiler without them
 * takes two words. Two blocks are under way at a time. */
#define BLOCK ((size_t)16)

typedef uint32_t block __attribute__((vector_size(16)));

void sl_mask_copy(char *to, const char *from, size_t size,
                  const unsigned char key[SL_MASK_SIZE], uint64_t offset)
{
    unsigned char turned[SL_MASK_SIZE]; /* so that it begins at `from` */
    uint32_t word;
    size_t i;

    for (i = 0; i < SL_MASK_SIZE; i++)
        turned[i] = key[(offset + i) % SL_MASK_SIZE];
    memcpy(&word, turned, sizeof word);
    for (i = 0; size - i >= 2 * BLOCK; i += 2 * BLOCK) {
        block first;
        block second;

        memcpy(&first, from + i, BLOCK);
        memcpy(&second, from + i + BLOCK, BLOCK);
        first ^= word;
        second ^= word;
        memcpy(to + i, &first, BLOCK);
        memcpy(to + i + BLOCK, &second, BLOCK);
    }
    for (; size - i >= sizeof word; i += sizeof word) {
        uint32_t four;

        memcpy(&four, from + i, sizeof four);
        four ^= word;
        memcpy(to + i, &four, sizeof four);
    }
    for (; i < size; i++)
        to[i] = (char)((unsigned char)from[i] ^ turned[i % SL_MASK_SIZE]);
}
