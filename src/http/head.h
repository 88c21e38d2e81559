/* http/head.h - a response head (or a trailer section), kept whole
 *
 * in:    http/head_parse.h
 * out:   http/framing.h, headers in Lua
 * below: http/compact_head.h
 *
 * Head and table lie in one block of their own:
 *
 *   block  [ field | field | ... ][ HTTP/1.1 200 OK\r\nName: value\r\n...\r\n ]
 *            offsets into the text   the bytes as received; obs-fold is blanked
 *
 * so a head stays good until sl_head_fini, whatever happens to the input, and
 * strings are made only for the fields that the caller reads. A head that stays
 * for long can be compact (http/compact_head.h).
 */
#ifndef SL_HTTP_HEAD_H
#define SL_HTTP_HEAD_H

#include "base/status.h"
#include "base/view.h"
#include "memory/pool.h"

struct sl_head_limits {
    size_t head;     /* bytes in all, 131072 */
    size_t line;     /* bytes of one line without its end, 65536 */
    size_t lines;    /* field lines, 256 */
    bool lenient_lf; /* a bare LF ends a line */
};

struct sl_field {
    uint32_t name; /* offset into the text */
    uint32_t value;
    uint32_t value_size;
    uint16_t name_size;
    bool is_hidden; /* not shown: it described the body before decoding */
};

struct sl_head {
    struct sl_pool *pool;
    const struct sl_head_limits *limits;
    struct sl_segment
        *block; /* while parsing: the table alone; NULL: compact */
    union {
        struct sl_field *fields;
        struct sl_field_sizes *sizes; /* compact */
    };
    const char *text;  /* NULL until complete */
    const char *error; /* why: a static clause; NULL: `excess` says it */
    uint32_t size;     /* of the text; while parsing: bytes scanned so far */
    uint32_t count;    /* fields */
    uint32_t reason;   /* offset of the reason phrase */
    uint32_t reason_size;
    uint32_t line;         /* while parsing: offset of the current line */
    uint32_t line_count;   /* lines after the first, folded ones too */
    uint16_t status;       /* 100 to 999 */
    uint8_t minor_version; /* 0 or 1 */
    uint8_t failed;        /* first failure, repeated until reset */
    uint8_t excess;        /* enum sl_head_excess */
    bool is_trailers;
    bool has_folds; /* values to blank when it is complete */
};

void sl_head_init(struct sl_head *head, struct sl_pool *pool,
                  const struct sl_head_limits *limits);
/* As sl_head_init for a trailer section: no status line. */
void sl_head_init_trailers(struct sl_head *head, struct sl_pool *pool,
                           const struct sl_head_limits *limits);
void sl_head_fini(struct sl_head *head);
/* Back to the state after init. */
void sl_head_reset(struct sl_head *head);

/* Moves a complete head into memory of its own size, from the pool's allocator:
 * it is going to stay for long. Finding a field takes a step for each one
 * before it then. Without memory for that, or with a value of 64 KiB or a name
 * of 32 KiB, it stays where it is. */
void sl_head_compact(struct sl_head *head);

/* Frees the reason and the fields of a complete head, which then has none. */
void sl_head_forget(struct sl_head *head);

/* ---- reading a complete head ---- */

/* Bytes of its table and its text. */
size_t sl_head_size(const struct sl_head *head);

struct sl_view sl_head_name(const struct sl_head *head, size_t index);
struct sl_view sl_head_value(const struct sl_head *head, size_t index);
struct sl_view sl_head_reason(const struct sl_head *head);
/* Not shown: it described the body before decoding. */
bool sl_head_is_hidden(const struct sl_head *head, size_t index);

/* The index of the first field of that name (compared without case) at or after
 * `from` that is not hidden; SIZE_MAX: no such field. */
size_t sl_head_find(const struct sl_head *head, size_t from,
                    struct sl_view name);

#endif
