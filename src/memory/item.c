#include "memory/item.h"

#include "base/ascii.h"
#include "base/debug.h"

/* The phases of a numeral, by what the next byte may be. Another byte is tried
 * as what may come after that. */
enum {
    PHASE_SPACE,        /* white space, or a numeral */
    PHASE_SIGN,         /* + or - */
    PHASE_ZERO,         /* 0 */
    PHASE_MARK,         /* behind that 0: x or X */
    PHASE_WHOLE,        /* a digit, or the point */
    PHASE_FRACTION,     /* a digit */
    PHASE_POWER,        /* behind a digit: e or E, of hexadecimal ones p or P */
    PHASE_POWER_SIGN,   /* + or - */
    PHASE_POWER_DIGITS, /* a decimal digit */
    PHASE_OVER          /* nothing */
};

void sl_item_begin(struct sl_item *item, enum sl_item_kind kind, size_t wanted)
{
    item->kind = kind;
    item->wanted = wanted;
    item->seen = item->size = item->used = 0;
    item->last = '\0';
    if (kind != SL_ITEM_NUMBER)
        return;
    item->skipped = item->digits = item->length = 0;
    item->phase = PHASE_SPACE;
    item->is_hexadecimal = false;
    item->numeral[0] = '\0';
}

void sl_item_resume(struct sl_item *item, size_t size)
{
    /* The last byte is fed again: it may be the CR before a line's LF. */
    if (item->kind != SL_ITEM_NUMBER && size > 0)
        item->seen = item->size = size - 1;
}

/* ---- lines and counts ---- */

static bool feed_line(struct sl_item *item, struct sl_view bytes)
{
    const char *found = memchr(bytes.data, '\n', bytes.size);
    size_t before = found == NULL ? bytes.size : (size_t)(found - bytes.data);

    item->size += before;
    item->seen += before + (found != NULL);
    if (found == NULL) {
        item->last = bytes.data[bytes.size - 1];
        return false;
    }
    item->used = item->seen;
    if (item->kind == SL_ITEM_WHOLE_LINE)
        item->size++;
    else if (item->kind == SL_ITEM_TEXT_LINE && item->size > 0 &&
             (before > 0 ? found[-1] : item->last) == '\r')
        item->size--;
    return true;
}

static bool feed_count(struct sl_item *item, struct sl_view bytes)
{
    size_t left = item->wanted - item->seen;

    if (bytes.size < left)
        left = bytes.size;
    item->seen += left;
    item->size = item->used = item->seen;
    return item->seen == item->wanted;
}

/* ---- numbers ---- */

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_sign(char byte)
{
    return byte == '+' || byte == '-';
}

static bool is_digit(const struct sl_item *item, char byte)
{
    return item->is_hexadecimal ? sl_hex_value(byte) < 16 : sl_is_digit(byte);
}

/* Whether `byte` belongs to the numeral; if so the phase says what may come
 * next. */
static bool accept(struct sl_item *item, char byte)
{
    for (;;) {
        switch (item->phase) {
        case PHASE_SIGN:
            item->phase = PHASE_ZERO;
            if (is_sign(byte))
                return true;
            break;
        case PHASE_ZERO:
            item->phase = byte == '0' ? PHASE_MARK : PHASE_WHOLE;
            if (byte == '0')
                return true;
            break;
        case PHASE_MARK:
            item->phase = PHASE_WHOLE;
            item->is_hexadecimal = sl_lower(byte) == 'x';
            if (item->is_hexadecimal)
                return true;
            item->digits = 1; /* the zero */
            break;
        case PHASE_WHOLE:
        case PHASE_FRACTION:
            if (is_digit(item, byte)) {
                item->digits++;
                return true;
            }
            if (item->phase == PHASE_WHOLE && byte == '.') {
                item->phase = PHASE_FRACTION;
                return true;
            }
            item->phase = item->digits > 0 ? PHASE_POWER : PHASE_OVER;
            break;
        case PHASE_POWER:
            item->phase = PHASE_OVER;
            if (sl_lower(byte) != (item->is_hexadecimal ? 'p' : 'e'))
                break;
            item->phase = PHASE_POWER_SIGN;
            return true;
        case PHASE_POWER_SIGN:
            item->phase = PHASE_POWER_DIGITS;
            if (is_sign(byte))
                return true;
            break;
        case PHASE_POWER_DIGITS:
            return sl_is_digit(byte);
        default:
            return false;
        }
    }
}

static bool feed_number(struct sl_item *item, struct sl_view bytes)
{
    size_t i = 0;

    if (item->phase == PHASE_SPACE) {
        while (i < bytes.size && is_space(bytes.data[i]))
            i++;
        item->skipped += i;
        if (i < bytes.size)
            item->phase = PHASE_SIGN;
    }
    for (; i < bytes.size && accept(item, bytes.data[i]); i++) {
        if (item->length == SL_NUMERAL_MAX) { /* as liolib: invalid */
            item->length = 0;
            item->phase = PHASE_OVER;
            break;
        }
        item->numeral[item->length++] = bytes.data[i];
    }
    item->numeral[item->length] = '\0';
    item->seen += i;
    item->used = item->seen;
    return i < bytes.size;
}

/* ---- all of them ---- */

bool sl_item_feed(struct sl_item *item, struct sl_view bytes)
{
    if (bytes.size == 0)
        return false;
    switch (item->kind) {
    case SL_ITEM_LINE:
    case SL_ITEM_TEXT_LINE:
    case SL_ITEM_WHOLE_LINE:
        return feed_line(item, bytes);
    case SL_ITEM_NUMBER:
        return feed_number(item, bytes);
    case SL_ITEM_COUNT:
        return feed_count(item, bytes);
    case SL_ITEM_ALL:
        item->seen += bytes.size;
        item->size = item->used = item->seen;
        return false;
    }
    return false;
}

bool sl_item_end(struct sl_item *item)
{
    if (item->kind != SL_ITEM_NUMBER)
        item->size = item->seen;
    item->used = item->seen;
    return item->seen > 0 || item->kind == SL_ITEM_ALL ||
           item->kind == SL_ITEM_NUMBER;
}

bool sl_item_scan_reader(struct sl_item *item, struct sl_reader *reader)
{
    struct sl_view view;

    while ((view = sl_reader_at(reader, item->seen)).size > 0)
        if (sl_item_feed(item, view))
            return true;
    return false;
}

bool sl_item_scan_buffer(struct sl_item *item, const struct sl_buffer *buffer)
{
    struct sl_view view;

    while ((view = sl_buffer_at(buffer, item->seen)).size > 0)
        if (sl_item_feed(item, view))
            return true;
    return false;
}
