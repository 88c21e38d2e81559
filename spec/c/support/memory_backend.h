/* spec/c/support/memory_backend.h - a backend whose peers are bytes in memory
 *
 *   connect   takes the next wire; without one it is refused
 *   send      is heard, `hears` bytes of it at most
 *   receive   takes the next piece of the wire, at most `step` bytes
 *
 * The wires of all connections are one text, in which 0xFF and a byte stand for
 * what else a peer does:
 *
 *   FF 00   waits until it has heard something since it last waited
 *   FF 01   ends in an orderly way; what follows is the next wire
 *   FF 02   resets the connection; what follows is the next wire
 *   FF 03   ends a piece
 *
 * Any other 0xFF is content. Behind its last byte a peer does what `end` says.
 * No call leaves the process, no wait blocks, and time plays no part: the same
 * text is always received in the same way. For completion transports. One loop
 * opens it at a time.
 */
#ifndef SPEC_C_SUPPORT_MEMORY_BACKEND_H
#define SPEC_C_SUPPORT_MEMORY_BACKEND_H

#include "base/view.h"
#include "io/backend.h"

enum memory_end { MEMORY_ENDS, MEMORY_RESETS, MEMORY_IS_SILENT };

struct memory_script {
    struct sl_view text;
    size_t step;  /* 1 or more */
    size_t hears; /* 1 or more */
    enum memory_end end;
    bool is_eager;     /* a piece is there at once, not with the next wait */
    bool speaks_first; /* does not wait to be sent something first */
};

/* For the options `backend` of connectors and pools. */
const struct sl_backend_class *memory_backend(void);

/* What connects from now on meets this script, whose text stays the caller's.
 * Nothing is connected meanwhile. */
void memory_play(const struct memory_script *script);
/* Every peer ends its connection, whatever it has not said yet. */
void memory_end(void);

/* Sockets that are attached. */
size_t memory_count(void);
/* Grows with everything that a peer does or hears. */
uint64_t memory_moves(void);

#endif
