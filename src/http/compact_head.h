/* http/compact_head.h - the reason and fields of a head that stays for long
 *
 * in:  http/head.h, a complete head    out: http/head.h, which reads it here
 *
 *   memory [ sizes | sizes | ... ][ OKNamevalueNamevalue... ]
 *
 * The memory has the size of what it holds and comes from the pool's allocator.
 * It has no offsets: finding a field takes a step for each one before it. The
 * head owns it: its `sizes` are the start, its `text` lies behind them.
 */
#ifndef SL_HTTP_COMPACT_HEAD_H
#define SL_HTTP_COMPACT_HEAD_H

#include "http/head.h"

struct sl_field_sizes {
    uint16_t name; /* with SL_FIELD_HIDDEN */
    uint16_t value;
};

#define SL_FIELD_HIDDEN 0x8000u

/* Copies the reason and the fields of a complete head, which stays as it is.
 * `text_size`: bytes behind the sizes. NULL: no memory, or a value of 64 KiB or
 * a name of 32 KiB. */
struct sl_field_sizes *sl_compact_head_create(const struct sl_head *head,
                                              uint32_t *text_size);

/* ---- reading a head that is compact ---- */

/* Bytes of its memory. */
size_t sl_compact_head_size(const struct sl_head *head);

struct sl_view sl_compact_head_name(const struct sl_head *head, size_t index);
struct sl_view sl_compact_head_value(const struct sl_head *head, size_t index);
bool sl_compact_head_is_hidden(const struct sl_head *head, size_t index);

/* As sl_head_find. */
size_t sl_compact_head_find(const struct sl_head *head, size_t from,
                            struct sl_view name);

#endif
