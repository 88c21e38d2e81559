#include "events/record.h"

#include "base/debug.h"

#include <string.h>

#define RS '\x1e'

void sl_records_init(struct sl_records *records, struct sl_pool *pool,
                     size_t limit)
{
    enum sl_status status;

    memset(records, 0, sizeof *records);
    records->limit = limit;
    records->number = 1;
    /* It keeps no block while it is empty. */
    status = sl_writer_init(&records->kept, pool, 1, SIZE_MAX);
    sl_assert(status == SL_OK);
    (void)status;
}

void sl_records_fini(struct sl_records *records)
{
    sl_writer_reset(&records->kept);
}

static enum sl_status fail(struct sl_records *records, enum sl_status status)
{
    sl_writer_reset(&records->kept);
    records->failed = status;
    return status;
}

enum sl_status sl_records_explain(const struct sl_records *records,
                                  struct sl_failure *failure)
{
    if (records->failed != SL_LIMIT)
        return sl_fail(failure, records->failed, SL_STAGE_BODY,
                       "out of memory");
    return sl_fail(failure, SL_LIMIT, SL_STAGE_BODY,
                   "%s %llu is longer than %zu bytes (max_line_size)",
                   records->is_sequence ? "record" : "line",
                   (unsigned long long)records->number, records->limit);
}

/* ---- where a record ends ---- */

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Notes what a byte of a sequence does to the text that is open. */
static void note(struct sl_records *records, char byte)
{
    if (records->is_in_string) {
        if (records->is_escaped)
            records->is_escaped = false;
        else if (byte == '\\')
            records->is_escaped = true;
        else if (byte == '"')
            records->is_in_string = false;
        return;
    }
    if (byte == '"')
        records->is_in_string = true;
    else if (byte == '[' || byte == '{')
        records->depth++;
    else if ((byte == ']' || byte == '}') && records->depth > 0)
        records->depth--;
}

/* The byte that ends the record of a sequence, or NULL. */
static const char *find_mark(struct sl_records *records, struct sl_view bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const char *at = bytes.data + i;

        if (*at == RS ||
            (*at == '\n' && !records->is_in_string && records->depth == 0))
            return at;
        note(records, *at);
    }
    return NULL;
}

static const char *find_end(struct sl_records *records, struct sl_view bytes)
{
    if (records->is_sequence)
        return find_mark(records, bytes);
    return memchr(bytes.data, '\n', bytes.size);
}

/* ---- records ---- */

static bool is_blank(struct sl_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_space(text.data[i]))
            return false;
    return true;
}

/* A number or a word that ends with the stream, or at RS, may go on. */
static bool may_go_on(const struct sl_records *records, struct sl_view text)
{
    char last = text.data[text.size - 1];

    return records->depth > 0 || records->is_in_string ||
           (last != '}' && last != ']' && last != '"' && !is_space(last));
}

static void begin(struct sl_records *records)
{
    sl_writer_cut(&records->kept, 0);
    records->depth = 0;
    records->is_given = false;
    records->is_in_string = records->is_escaped = false;
}

static struct sl_view without_mark(struct sl_view text)
{
    return text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0
               ? sl_view(text.data + 3, text.size - 3)
               : text;
}

/* Takes the text of what ends before `end`, which is '\0' where the stream
 * does. SL_AGAIN: it was blank. */
static enum sl_status take(struct sl_records *records, struct sl_view text,
                           char end, struct sl_record *record)
{
    if (text.size > records->limit)
        return fail(records, SL_LIMIT);
    if (records->number == 1 && !records->is_sequence)
        text = without_mark(text);
    record->number = records->number;
    record->text = text;
    record->is_cut = false;
    if (is_blank(text)) {
        /* Lines count even if they are blank. */
        records->number += !records->is_sequence;
        begin(records);
        return SL_AGAIN;
    }
    records->number++;
    if (end == '\n' && text.data[text.size - 1] == '\r')
        record->text.size--;
    record->is_cut =
        records->is_sequence && end != '\n' && may_go_on(records, text);
    records->is_given = true;
    return SL_OK;
}

static enum sl_status keep(struct sl_records *records, struct sl_view bytes)
{
    enum sl_status status;

    if (bytes.size > records->limit ||
        records->kept.size > records->limit - bytes.size)
        return fail(records, SL_LIMIT);
    status = sl_writer_write(&records->kept, bytes);
    return status == SL_OK ? SL_AGAIN : fail(records, status);
}

/* Takes what ends before `end`, with what was kept of it. */
static enum sl_status take_bytes(struct sl_records *records,
                                 struct sl_view bytes, char end,
                                 struct sl_record *record)
{
    enum sl_status status;

    if (records->kept.size == 0)
        return take(records, bytes, end, record);
    status = keep(records, bytes);
    if (status != SL_AGAIN)
        return status;
    return take(records, sl_writer_view(&records->kept), end, record);
}

/* ---- feeding ---- */

enum sl_status sl_records_feed(struct sl_records *records, struct sl_view bytes,
                               size_t *used, struct sl_record *record)
{
    enum sl_status status = SL_AGAIN;

    *used = 0;
    if (records->failed != SL_OK)
        return records->failed;
    if (records->is_given)
        begin(records);
    if (bytes.size > 0 && !records->is_begun) {
        records->is_begun = true;
        records->is_sequence = bytes.data[0] == RS;
    }
    while (*used < bytes.size && status == SL_AGAIN) {
        struct sl_view rest = sl_view(bytes.data + *used, bytes.size - *used);
        const char *end = find_end(records, rest);

        if (end == NULL) {
            *used = bytes.size;
            return keep(records, rest);
        }
        rest.size = (size_t)(end - rest.data);
        *used += rest.size + 1;
        status = take_bytes(records, rest, *end, record);
    }
    if (status == SL_AGAIN && records->kept.size == 0)
        sl_writer_reset(&records->kept); /* no block for nothing */
    return status;
}

enum sl_status sl_records_end(struct sl_records *records,
                              struct sl_record *record)
{
    enum sl_status status;

    if (records->failed != SL_OK)
        return records->failed;
    if (records->is_given)
        begin(records);
    if (records->kept.size == 0)
        return SL_END;
    status = take(records, sl_writer_view(&records->kept), '\0', record);
    return status == SL_AGAIN ? SL_END : status;
}
