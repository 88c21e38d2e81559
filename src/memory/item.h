/* memory/item.h - one thing to be read by the formats of Lua's files
 *
 * in: sequences, buffers, any views      out: binding/formats.c
 *
 *      ____ 12.5e3\n next line \n ...
 *      ^skipped   ^ used                     a number
 *      ^ size (with or without its end) and used: a line
 *
 * A line, a number, that many bytes, or all there are. An item is fed with
 * views until it is complete, or the caller says that no more bytes will
 * arrive; where the views were cut changes nothing. It keeps no bytes but a
 * numeral: the caller takes the content from where it lies, and consumes `used`
 * bytes.
 */
#ifndef SL_MEMORY_ITEM_H
#define SL_MEMORY_ITEM_H

#include "memory/buffer.h"
#include "memory/reader.h"

enum sl_item_kind {
    SL_ITEM_LINE,       /* without its LF */
    SL_ITEM_TEXT_LINE,  /* without its LF or CRLF */
    SL_ITEM_WHOLE_LINE, /* with its LF */
    SL_ITEM_NUMBER,     /* a numeral as of liolib, in any locale */
    SL_ITEM_COUNT,      /* at most `wanted` bytes, at least one if wanted */
    SL_ITEM_ALL
};

/* The longest numeral, as in liolib. */
#define SL_NUMERAL_MAX 200

struct sl_item {
    enum sl_item_kind kind;
    size_t wanted;
    size_t seen; /* bytes fed so far */
    size_t size; /* of the content, which begins where the item does */
    size_t used; /* bytes that belong to it; valid once it is complete */
    char last;   /* of a text line: the byte before the next ones */

    /* SL_ITEM_NUMBER: */
    size_t skipped;      /* white space before it */
    unsigned char phase; /* which byte may come next */
    bool is_hexadecimal;
    size_t digits;
    size_t length;                    /* of the numeral; 0: too long */
    char numeral[SL_NUMERAL_MAX + 1]; /* ends with a zero byte */
};

/* `wanted` is for SL_ITEM_COUNT. */
void sl_item_begin(struct sl_item *item, enum sl_item_kind kind, size_t wanted);
/* Feeds the bytes that follow those fed before. True: the item is complete, and
 * bytes behind `used` are not its own. */
bool sl_item_feed(struct sl_item *item, struct sl_view bytes);
/* No more bytes will arrive: the item is complete as it is. False: it is empty,
 * which is the end. The caller judges a numeral. */
bool sl_item_end(struct sl_item *item);

/* Resumes an item that has just begun: its first `size` bytes are known not to
 * complete it. */
void sl_item_resume(struct sl_item *item, size_t size);

/* Feeds the bytes from `reader` on until the item is complete; `reader` stays
 * where it is. */
bool sl_item_scan_reader(struct sl_item *item, struct sl_reader *reader);
/* The same from the head of `buffer`. */
bool sl_item_scan_buffer(struct sl_item *item, const struct sl_buffer *buffer);

#endif
