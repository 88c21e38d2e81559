#include "http/head_parse.h"

#include "base/ascii.h"
#include "http/scan.h"
#include "http/token.h"
#include "memory/cursor.h"
#include "memory/pool.h"

#include <stdint.h>
#include <stdio.h>

/* 256 fields: with the default limits one block is always enough. */
#define TABLE_SIZE ((size_t)4096)

/* Fields of a table on the stack, which is enough for nearly every head that
 * arrives at once. */
#define FIELDS_AT_ONCE 32

/* "HTTP/1.1 200" and the byte behind it */
#define STATUS_LINE_SIZE 13

struct line {
    size_t offset; /* of its first byte */
    size_t end;    /* of its CR or LF */
    size_t next;   /* of the next line */
};

static enum sl_status fail(struct sl_head *head, enum sl_status status,
                           const char *error)
{
    head->failed = (uint8_t)status;
    head->error = error;
    return status;
}

static enum sl_status exceed(struct sl_head *head, enum sl_head_excess excess)
{
    head->excess = (uint8_t)excess;
    return fail(head, SL_LIMIT, NULL);
}

/* ---- lines ---- */

/* Offsets into the text are 32 bits wide. */
static size_t head_limit(const struct sl_head *head)
{
    return head->limits->head < UINT32_MAX ? head->limits->head : UINT32_MAX;
}

/* A line has not ended yet. The limits hold for the byte at which they are
 * passed, so that the outcome is the same for every cut. */
static enum sl_status need_more(struct sl_head *head, size_t available)
{
    if (available >= head_limit(head))
        return exceed(head, SL_HEAD_TOO_LARGE);
    return SL_AGAIN;
}

/* `offset` is that of the first control at or after the line's start. */
static enum sl_status end_line(struct sl_head *head, struct sl_cursor *cursor,
                               size_t offset, size_t available,
                               struct line *line)
{
    char control = *sl_cursor_seek(cursor, offset);

    line->offset = head->line;
    line->end = offset;
    line->next = offset + 1;
    if (control == '\n' && head->limits->lenient_lf)
        return SL_OK;
    if (control == '\n')
        return fail(head, SL_PROTOCOL,
                    "a line ends in LF without CR (limits.lenient_lf)");
    if (control == '\0')
        return fail(head, SL_PROTOCOL, "a line holds NUL");
    if (control != '\r')
        return fail(head, SL_PROTOCOL, "a line holds a control character");
    if (offset + 1 >= available)
        return need_more(head, available);
    /* RFC 9112 2.2: a bare CR is not to be guessed at */
    line->next = offset + 2;
    if (*sl_cursor_seek(cursor, offset + 1) != '\n')
        return fail(head, SL_PROTOCOL, "a line holds CR without LF");
    return SL_OK;
}

/* Finds the end of the line, from where the last look ended. */
static enum sl_status find_line(struct sl_head *head, struct sl_cursor *cursor,
                                size_t available, struct line *line)
{
    size_t room = available - head->line;
    size_t stop = available;

    if (room > head->limits->line)
        stop = head->line + head->limits->line + 1;
    while (head->size < stop) {
        const char *at = sl_cursor_seek(cursor, head->size);
        size_t slice_end = cursor->start + cursor->size;
        size_t size = (slice_end < stop ? slice_end : stop) - head->size;
        const char *control = sl_scan_control(at, at + size);

        head->size += (uint32_t)(control - at);
        if (control < at + size)
            return end_line(head, cursor, head->size, available, line);
    }
    if (head->size - head->line > head->limits->line)
        return exceed(head, SL_HEAD_LINE_TOO_LONG);
    return need_more(head, available);
}

/* Whether `c` may stand at `offset` of a status line. */
static bool fits_status_line(const struct sl_head *head, size_t offset, char c)
{
    static const char pattern[] = "HTTP/1.x ddd";

    if (offset == STATUS_LINE_SIZE - 1)
        return c == ' ' || c == '\r' || (c == '\n' && head->limits->lenient_lf);
    switch (pattern[offset]) {
    case 'x':
        return c == '0' || c == '1';
    case 'd':
        return sl_is_digit(c) && (offset != 9 || c != '0');
    default:
        return c == pattern[offset];
    }
}

/* RFC 9112 4: a line that cannot become a status line fails at its first wrong
 * byte, so that a peer of another protocol is not waited for. */
static enum sl_status check_status_line(struct sl_head *head,
                                        const struct sl_buffer *input,
                                        struct sl_view front, size_t available)
{
    char bytes[STATUS_LINE_SIZE];
    size_t end = available < STATUS_LINE_SIZE ? available : STATUS_LINE_SIZE;
    size_t i;

    if (front.size >= STATUS_LINE_SIZE &&
        head->limits->line >= STATUS_LINE_SIZE &&
        memcmp(front.data, "HTTP/1.1 200 ", STATUS_LINE_SIZE) == 0)
        return SL_OK;
    if (end > head->limits->line)
        end = head->limits->line;
    sl_buffer_copy_out(input, 0, bytes, end);
    for (i = head->size; i < end; i++) {
        if (!fits_status_line(head, i, bytes[i]))
            return fail(head, SL_PROTOCOL,
                        i < 5   ? "not an HTTP response"
                        : i < 8 ? "HTTP version is neither 1.0 nor 1.1"
                                : "malformed status line");
    }
    return SL_OK;
}

static void parse_status_line(struct sl_head *head, struct sl_view text)
{
    const char *digits = text.data + 9;

    head->minor_version = (uint8_t)(text.data[7] - '0');
    head->status = (uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
                              (digits[2] - '0'));
    head->reason = (uint32_t)text.size;
    if (text.size >= STATUS_LINE_SIZE) {
        head->reason = STATUS_LINE_SIZE;
        head->reason_size = (uint32_t)(text.size - STATUS_LINE_SIZE);
    }
}

/* Gives the table more room, and a block if it is on the stack. */
static enum sl_status grow_table(struct sl_head *head)
{
    size_t used = head->count * sizeof(struct sl_field);
    size_t size = used * 2 > TABLE_SIZE ? used * 2 : TABLE_SIZE;
    struct sl_segment *table;
    enum sl_status status = sl_pool_rent_block(head->pool, size, &table);

    if (status != SL_OK)
        return fail(head, status, "no memory for the response head");
    memcpy(table->data, head->fields, used);
    if (head->block != NULL)
        sl_segment_release(head->block);
    head->block = table;
    head->fields = (struct sl_field *)(void *)table->data;
    return SL_OK;
}

/* Makes room in the table for one more field. */
static inline enum sl_status reserve_field(struct sl_head *head)
{
    size_t room = head->block == NULL
                      ? FIELDS_AT_ONCE
                      : head->block->capacity / sizeof(struct sl_field);

    return head->count < room ? SL_OK : grow_table(head);
}

/* RFC 9112 5.2: a line that starts with whitespace continues the last value. */
static enum sl_status parse_fold(struct sl_head *head, struct sl_view text,
                                 size_t offset)
{
    struct sl_view more = sl_trim(text);
    size_t start = offset + (size_t)(more.data - text.data);
    struct sl_field *field;

    /* RFC 9112 2.2 */
    if (head->count == 0)
        return fail(head, SL_PROTOCOL, "whitespace before the first field");
    head->has_folds = true;
    if (more.size == 0)
        return SL_OK;
    field = &head->fields[head->count - 1];
    if (field->value_size == 0)
        field->value = (uint32_t)start;
    field->value_size = (uint32_t)(start + more.size - field->value);
    return SL_OK;
}

static enum sl_status parse_field(struct sl_head *head, struct sl_view text,
                                  size_t offset)
{
    size_t name_size = sl_token_length(text);
    struct sl_view value;
    struct sl_field *field;
    enum sl_status status;

    if (name_size == text.size)
        return fail(head, SL_PROTOCOL, "field line without a colon");
    if (text.data[name_size] != ':') {
        /* RFC 9112 5.1: no whitespace between name and colon */
        if (sl_is_blank(text.data[name_size]))
            return fail(head, SL_PROTOCOL, "whitespace in a field name");
        return fail(head, SL_PROTOCOL, "invalid character in a field name");
    }
    if (name_size == 0)
        return fail(head, SL_PROTOCOL, "field line without a name");
    if (name_size > UINT16_MAX)
        return exceed(head, SL_HEAD_NAME_TOO_LONG);
    status = reserve_field(head);
    if (status != SL_OK)
        return status;
    value =
        sl_trim(sl_view(text.data + name_size + 1, text.size - name_size - 1));
    field = &head->fields[head->count++];
    field->name = (uint32_t)offset;
    field->name_size = (uint16_t)name_size;
    field->value = (uint32_t)(offset + (size_t)(value.data - text.data));
    field->value_size = (uint32_t)value.size;
    field->is_hidden = false;
    return SL_OK;
}

/* Takes the status line if all of it is in the first slice; else it is left to
 * find_line and parse_line, like its errors. */
static void take_plain_status_line(struct sl_head *head, struct sl_view slice)
{
    const char *end = slice.data + slice.size;
    const char *line_end;
    size_t size;

    if (slice.size < STATUS_LINE_SIZE)
        return;
    line_end = sl_scan_control(slice.data + STATUS_LINE_SIZE - 1, end);
    size = (size_t)(line_end - slice.data);
    if (end - line_end < 2 || line_end[0] != '\r' || line_end[1] != '\n' ||
        size > head->limits->line)
        return;
    parse_status_line(head, sl_view(slice.data, size));
    head->line = head->size = (uint32_t)size + 2;
}

/* Takes lines of the plainest kind from the first slice, as long as they come.
 * Anything else (the end of the slice or of the head, a fold, a rare name, an
 * error) is left to find_line and parse_line. */
static enum sl_status take_plain_lines(struct sl_head *head,
                                       struct sl_view slice)
{
    const struct sl_head_limits *limits = head->limits;
    /* A name is shorter than its line. */
    size_t longest = limits->line < UINT16_MAX ? limits->line : UINT16_MAX;
    size_t left = limits->lines - head->line_count;
    const char *end = slice.data + slice.size;
    const char *line = slice.data + head->line;
    enum sl_status status = SL_OK;

    for (; line < end && *line != '\r' && left > 0; left--) {
        const char *name_end = sl_scan_name(line, end);
        const char *value = name_end + 1;
        const char *line_end, *value_end;
        struct sl_field *field;

        if (name_end == line || end - name_end < 4 || *name_end != ':')
            break;
        if (*value == ' ')
            value++;
        if ((unsigned char)*value <= ' ')
            break;
        value_end = line_end = sl_scan_control(value, end);
        if (end - line_end < 2 || memcmp(line_end, "\r\n", 2) != 0 ||
            (size_t)(line_end - line) > longest)
            break;
        while (sl_is_blank(value_end[-1]))
            value_end--;
        status = reserve_field(head);
        if (status != SL_OK)
            break;
        field = &head->fields[head->count++];
        field->name = (uint32_t)(line - slice.data);
        field->name_size = (uint16_t)(name_end - line);
        field->value = (uint32_t)(value - slice.data);
        field->value_size = (uint32_t)(value_end - value);
        field->is_hidden = false;
        line = line_end + 2;
    }
    head->line_count = (uint32_t)(limits->lines - left);
    head->line = head->size = (uint32_t)(line - slice.data);
    return status;
}

static enum sl_status parse_line(struct sl_head *head, struct sl_view text,
                                 size_t offset)
{
    if (offset == 0 && !head->is_trailers) {
        parse_status_line(head, text);
        return SL_OK;
    }
    if (++head->line_count > head->limits->lines)
        return exceed(head, SL_HEAD_TOO_MANY_LINES);
    if (sl_is_blank(text.data[0]))
        return parse_fold(head, text, offset);
    return parse_field(head, text, offset);
}

/* A line that crosses slices is copied once, to be seen in one piece. */
static enum sl_status parse_crossing_line(struct sl_head *head,
                                          const struct sl_buffer *input,
                                          const struct line *line)
{
    size_t size = line->end - line->offset;
    struct sl_segment *copy;
    enum sl_status status = sl_pool_rent_block(head->pool, size, &copy);

    if (status != SL_OK)
        return fail(head, status, "no memory for the response head");
    sl_buffer_copy_out(input, line->offset, copy->data, size);
    status = parse_line(head, sl_view(copy->data, size), line->offset);
    sl_segment_release(copy);
    return status;
}

/* ---- completion ---- */

static void blank_fold(char *text, const struct sl_field *field)
{
    char *at = text + field->value;
    char *end = at + field->value_size;

    while (at < end) {
        if (*at != '\r' && *at != '\n') {
            at++;
            continue;
        }
        /* inside a value only obs-fold has line ends */
        while (at < end &&
               (*at == '\r' || *at == '\n' || *at == ' ' || *at == '\t'))
            *at++ = ' ';
    }
}

static enum sl_status complete(struct sl_head *head, struct sl_buffer *input,
                               size_t size)
{
    size_t table_size = head->count * sizeof(struct sl_field);
    struct sl_segment *block;
    enum sl_status status;
    char *text;
    size_t i;

    head->size = (uint32_t)size;
    if (head->is_trailers && head->count == 0) {
        head->text = "\r\n";
        sl_buffer_consume(input, size);
        return SL_OK;
    }
    status = sl_pool_rent_block(head->pool, table_size + size, &block);
    if (status != SL_OK)
        return fail(head, status, "no memory for the response head");
    text = block->data + table_size;
    if (table_size > 0)
        memcpy(block->data, head->fields, table_size);
    sl_buffer_copy_out(input, 0, text, size);
    sl_buffer_consume(input, size);
    if (head->block != NULL)
        sl_segment_release(head->block);
    head->block = block;
    block->filled = table_size + size;
    head->fields = (struct sl_field *)(void *)block->data;
    head->text = text;
    for (i = 0; head->has_folds && i < head->count; i++)
        blank_fold(text, &head->fields[i]);
    return SL_OK;
}

/* Whether the empty line is next, in the first slice. */
static bool is_at_end(const struct sl_head *head, struct sl_view slice)
{
    return head->size == head->line && slice.size > head->line &&
           slice.size - head->line >= 2 && slice.data[head->line] == '\r' &&
           slice.data[head->line + 1] == '\n';
}

/* Takes a line by the long way. SL_END: it was the empty one, and the head is
 * complete. */
static enum sl_status take_line(struct sl_head *head, struct sl_cursor *cursor,
                                struct sl_buffer *input, size_t available)
{
    struct line line;
    enum sl_status status = find_line(head, cursor, available, &line);

    if (status != SL_OK)
        return status;
    if (line.end == line.offset) {
        status = complete(head, input, line.next);
        return status == SL_OK ? SL_END : status;
    }
    if (line.offset >= cursor->start)
        status =
            parse_line(head,
                       sl_view(cursor->data + (line.offset - cursor->start),
                               line.end - line.offset),
                       line.offset);
    else
        status = parse_crossing_line(head, input, &line);
    head->line = head->size = (uint32_t)line.next;
    return status;
}

/* Parses on. The table may be on the caller's stack. */
static enum sl_status parse(struct sl_head *head, struct sl_buffer *input)
{
    size_t limit = head_limit(head);
    size_t available = input->length < limit ? input->length : limit;
    struct sl_cursor cursor;
    struct sl_view front;
    enum sl_status status = SL_OK;

    if (available == 0)
        return SL_AGAIN;
    sl_cursor_init(&cursor, input);
    front =
        sl_view(cursor.data, cursor.size < available ? cursor.size : available);
    if (head->line == 0 && head->size < STATUS_LINE_SIZE &&
        !head->is_trailers) {
        status = check_status_line(head, input, front, available);
        if (status == SL_OK && head->size == 0)
            take_plain_status_line(head, front);
    }
    while (status == SL_OK) {
        /* A line that was looked at before is not looked at again from its
         * start: one that arrives byte by byte would cost its square. */
        if (head->size == head->line && head->line < front.size &&
            (head->line > 0 || head->is_trailers)) {
            status = take_plain_lines(head, front);
            if (status == SL_OK && is_at_end(head, front))
                return complete(head, input, head->line + 2);
        }
        if (status == SL_OK)
            status = take_line(head, &cursor, input, available);
    }
    return status == SL_END ? SL_OK : status;
}

enum sl_status sl_head_parse(struct sl_head *head, struct sl_buffer *input)
{
    struct sl_field table[FIELDS_AT_ONCE];
    enum sl_status status;

    if (head->failed != SL_OK)
        return head->failed;
    sl_assert(head->text == NULL);
    if (head->block == NULL)
        head->fields = table;
    status = parse(head, input);
    if (status == SL_AGAIN && head->block == NULL && head->count > 0)
        status = grow_table(head) == SL_OK ? SL_AGAIN : head->failed;
    if (head->block == NULL) {
        head->fields = NULL;
        head->count = 0;
    }
    return status;
}

/* ---- why it failed ---- */

static const char *exceeds(char *room, const char *what, size_t limit,
                           const char *unit)
{
    snprintf(room, SL_EXCESS_ROOM, "%s exceeds %zu %s", what, limit, unit);
    return room;
}

const char *sl_head_explain(const struct sl_head *head,
                            char room[SL_EXCESS_ROOM])
{
    const char *section =
        head->is_trailers ? "trailer section" : "response head";

    switch (head->excess) {
    case SL_HEAD_TOO_LARGE:
        return exceeds(room, section, head_limit(head), "bytes (limits.head)");
    case SL_HEAD_LINE_TOO_LONG:
        return exceeds(room, "a line of the head", head->limits->line,
                       "bytes (limits.line)");
    case SL_HEAD_TOO_MANY_LINES:
        return exceeds(room, section, head->limits->lines,
                       "lines (limits.lines)");
    case SL_HEAD_NAME_TOO_LONG:
        return exceeds(room, "a field name", UINT16_MAX, "bytes (fixed)");
    default:
        return head->error;
    }
}
