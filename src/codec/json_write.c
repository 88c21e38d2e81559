#include "codec/json_write.h"

#include "base/debug.h"
#include "codec/decimal.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

#include <math.h>

void sl_json_begin(struct sl_json_output *output, struct sl_writer *writer)
{
    output->writer = writer;
    output->begun = writer->size;
    output->start = NULL;
    output->at = NULL;
    output->end = NULL;
}

void sl_json_finish(struct sl_json_output *output)
{
    enum sl_status status = SL_OK;

    if (output->start != NULL)
        status = sl_writer_commit(output->writer,
                                  (size_t)(output->at - output->start));
    output->start = output->at = output->end = NULL;
    sl_assert(status == SL_OK);
    (void)status;
}

void sl_json_undo(struct sl_json_output *output)
{
    sl_json_finish(output);
    sl_writer_cut(output->writer, output->begun);
}

/* Makes room for at least `size` bytes, which may move the output. */
static enum sl_status reserve(struct sl_json_output *output, size_t size)
{
    struct sl_room room;
    enum sl_status status;

    sl_json_finish(output);
    status = sl_writer_reserve(output->writer, size, &room);
    if (status != SL_OK)
        return status;
    output->start = output->at = room.data;
    output->end = room.data + room.size;
    return SL_OK;
}

static inline enum sl_status ensure(struct sl_json_output *output, size_t size)
{
    if ((size_t)(output->end - output->at) >= size)
        return SL_OK;
    return reserve(output, size);
}

enum sl_status sl_json_put_far(struct sl_json_output *output, char c)
{
    enum sl_status status = reserve(output, 1);

    if (status == SL_OK)
        *output->at++ = c;
    return status;
}

static inline enum sl_status put_bytes(struct sl_json_output *output,
                                       const char *data, size_t size)
{
    enum sl_status status = ensure(output, size);

    if (status != SL_OK || size == 0)
        return status;
    memcpy(output->at, data, size);
    output->at += size;
    return SL_OK;
}

enum sl_status sl_json_put_word(struct sl_json_output *output,
                                struct sl_view word)
{
    return put_bytes(output, word.data, word.size);
}

enum sl_status sl_json_put_integer(struct sl_json_output *output, int64_t value)
{
    char text[SL_DECIMAL_SIZE];

    return put_bytes(output, text, sl_decimal_write_integer(text, value));
}

enum sl_status sl_json_put_double(struct sl_json_output *output, double value)
{
    char text[SL_DECIMAL_SIZE];

    if (!isfinite(value))
        return SL_INVALID;
    return put_bytes(output, text, sl_decimal_write_double(text, value));
}

/* RFC 8259 7: escapes a byte that may not stand in a string as it is. */
static enum sl_status put_escape(struct sl_json_output *output, char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";
    unsigned char byte = (unsigned char)c;
    char letter = byte < 0x20 ? letters[byte] : c;
    size_t size = letter == 'u' ? 6 : 2;
    enum sl_status status = ensure(output, size);

    if (status != SL_OK)
        return status;
    output->at[0] = '\\';
    output->at[1] = letter;
    if (size == 6) {
        output->at[2] = output->at[3] = '0';
        output->at[4] = digits[byte >> 4];
        output->at[5] = digits[byte & 15];
    }
    output->at += size;
    return SL_OK;
}

static bool is_utf8(struct sl_view text)
{
    struct sl_utf8 utf8;

    sl_utf8_init(&utf8);
    return sl_utf8_check(&utf8, text) == SL_OK && sl_utf8_end(&utf8) == SL_OK;
}

enum sl_status sl_json_put_text(struct sl_json_output *output,
                                struct sl_view text)
{
    const char *at = text.data;
    const char *end = at + text.size;
    bool has_high = false;
    enum sl_status status = sl_json_put(output, '"');

    while (status == SL_OK && at < end) {
        const char *stop = sl_json_plain_end(at, end, &has_high);

        status = put_bytes(output, at, (size_t)(stop - at));
        at = stop;
        if (status == SL_OK && at < end)
            status = put_escape(output, *at++);
    }
    if (status == SL_OK && has_high && !is_utf8(text))
        status = SL_INVALID;
    if (status != SL_OK)
        return status;
    return sl_json_put(output, '"');
}
