#include "base/random.h"

#include <sys/random.h>
#include <unistd.h>

/* The system gives this many at once. */
#define PIECE_SIZE ((size_t)256)

enum sl_status sl_random(void *bytes, size_t size)
{
    char *room = bytes;

    while (size > 0) {
        size_t piece = size < PIECE_SIZE ? size : PIECE_SIZE;

        if (getentropy(room, piece) != 0)
            return SL_TLS;
        room += piece;
        size -= piece;
    }
    return SL_OK;
}
