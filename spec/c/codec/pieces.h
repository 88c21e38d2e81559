/* spec/c/codec/pieces.h - sequences for the tests of those who read them */
#ifndef SPEC_C_CODEC_PIECES_H
#define SPEC_C_CODEC_PIECES_H

#include "spec/c/support/test.h"

#include "memory/sequence.h"

#include <stdlib.h>

/* A sequence of memory that no segment owns; free its slices. */
static inline struct sl_sequence sequence_of(const struct sl_view *pieces,
                                             size_t count)
{
    struct sl_sequence_slice *slices = calloc(count + 1, sizeof *slices);
    struct sl_sequence sequence = {.slices = slices};

    REQUIRE(slices != NULL);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size == 0)
            continue;
        slices[sequence.count].data = pieces[i].data;
        slices[sequence.count].size = pieces[i].size;
        slices[sequence.count].index = sequence.size;
        sequence.size += pieces[i].size;
        sequence.count++;
    }
    return sequence;
}

#endif
