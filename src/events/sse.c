#include "events/sse.h"

#include "base/ascii.h"
#include "base/debug.h"
#include "events/scan.h"

#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";
#define MARK_SIZE 3

/* ---- a life ---- */

/* Adds bytes, which may lie in another block of the parser. */
static enum sl_status keep(struct sl_sse *parser, struct sl_sse_kept *kept,
                           struct sl_view bytes)
{
    struct sl_segment *old = kept->block;
    size_t size = kept->size + bytes.size;

    if (bytes.size == 0)
        return SL_OK;
    if (old == NULL || size > old->capacity) {
        size_t twice = old == NULL ? 0 : 2 * old->capacity;
        enum sl_status status = sl_pool_rent_block(
            parser->pool, size > twice ? size : twice, &kept->block);

        if (status != SL_OK) {
            kept->block = old;
            return status;
        }
        if (kept->size > 0)
            memcpy(kept->block->data, old->data, kept->size);
    }
    memcpy(kept->block->data + kept->size, bytes.data, bytes.size);
    kept->size = size;
    if (old != NULL && old != kept->block)
        sl_segment_release(old);
    return SL_OK;
}

static void give_back(struct sl_sse_kept *kept)
{
    if (kept->block != NULL)
        sl_segment_release(kept->block);
    kept->block = NULL;
    kept->size = 0;
}

/* Forgets the event under way. The blocks stay, for the next one. */
static void begin_event(struct sl_sse *parser)
{
    parser->text.size = parser->names.size = 0;
    parser->data_size = parser->data_lines = 0;
    parser->type_size = 0;
    parser->is_shown = parser->is_given = parser->has_id = false;
}

static void begin_stream(struct sl_sse *parser)
{
    begin_event(parser);
    give_back(&parser->text);
    give_back(&parser->names);
    parser->failed = SL_OK;
    parser->lines = parser->events = 0;
    parser->since = parser->open = 0;
    parser->marked = 0;
    parser->is_behind_cr = parser->has_retry = parser->is_line_fault = false;
}

void sl_sse_init(struct sl_sse *parser, struct sl_pool *pool,
                 const struct sl_sse_limits *limits)
{
    static const struct sl_sse_limits defaults = {SL_SSE_LINE_LIMIT,
                                                  SL_SSE_EVENT_LIMIT};

    memset(parser, 0, sizeof *parser);
    parser->limits = limits != NULL ? *limits : defaults;
    parser->retry = SL_SSE_NO_RETRY;
    parser->pool = pool;
}

void sl_sse_fini(struct sl_sse *parser)
{
    begin_stream(parser);
    give_back(&parser->id);
}

void sl_sse_reset(struct sl_sse *parser)
{
    begin_stream(parser);
}

enum sl_status sl_sse_set_id(struct sl_sse *parser, struct sl_view id)
{
    enum sl_status status = SL_OK;

    parser->id.size = 0;
    if (id.size <= sizeof parser->id_room) {
        give_back(&parser->id);
        if (id.size > 0)
            memcpy(parser->id_room, id.data, id.size);
        parser->id.size = id.size;
    } else {
        status = keep(parser, &parser->id, id);
    }
    parser->id_changes++;
    return status;
}

struct sl_view sl_sse_id(const struct sl_sse *parser)
{
    const struct sl_sse_kept *id = &parser->id;

    return sl_view(id->block != NULL ? id->block->data : parser->id_room,
                   id->size);
}

/* ---- failures ---- */

static enum sl_status fail(struct sl_sse *parser, enum sl_status status)
{
    begin_event(parser);
    give_back(&parser->text);
    give_back(&parser->names);
    parser->open = 0;
    parser->failed = status;
    return status;
}

/* Checks a line of which `size` bytes are there so far, `ended` more are its
 * end. */
static enum sl_status check_size(struct sl_sse *parser, size_t size,
                                 size_t ended)
{
    if (size > parser->limits.line) {
        parser->is_line_fault = true;
        return fail(parser, SL_LIMIT);
    }
    if (parser->since > parser->limits.event ||
        size + ended > parser->limits.event - parser->since)
        return fail(parser, SL_LIMIT);
    return SL_OK;
}

enum sl_status sl_sse_explain(const struct sl_sse *parser,
                              struct sl_failure *failure)
{
    if (parser->failed != SL_LIMIT)
        return sl_fail(failure, parser->failed, SL_STAGE_BODY, "out of memory");
    if (parser->is_line_fault)
        return sl_fail(failure, SL_LIMIT, SL_STAGE_BODY,
                       "line %llu is longer than %zu bytes (max_line_size)",
                       (unsigned long long)parser->lines + 1,
                       parser->limits.line);
    return sl_fail(failure, SL_LIMIT, SL_STAGE_BODY,
                   "event %llu is not complete within %zu bytes "
                   "(max_event_size)",
                   (unsigned long long)parser->events + 1,
                   parser->limits.event);
}

/* ---- fields ---- */

/* Moves the data that lies in the input into `text`. */
static enum sl_status keep_data(struct sl_sse *parser)
{
    enum sl_status status;

    if (!parser->is_shown)
        return SL_OK;
    status = keep(parser, &parser->text, parser->shown);
    parser->is_shown = false;
    parser->data_size = parser->text.size;
    return status;
}

/* Adds a value of a line in the input. */
static enum sl_status add_data(struct sl_sse *parser, struct sl_view value)
{
    enum sl_status status;

    if (parser->data_lines++ == 0) {
        parser->shown = value;
        parser->is_shown = true;
        return SL_OK;
    }
    status = keep_data(parser);
    if (status == SL_OK)
        status = keep(parser, &parser->text, SL_VIEW("\n"));
    if (status == SL_OK)
        status = keep(parser, &parser->text, value);
    parser->data_size = parser->text.size;
    return status;
}

/* The same for the line that stands in `text` behind the data: the value moves
 * down, over the name of its field. */
static void join_data(struct sl_sse *parser, struct sl_view value)
{
    char *to = parser->text.block->data + parser->data_size;

    if (parser->data_lines++ > 0)
        *to++ = '\n';
    if (value.size > 0)
        memmove(to, value.data, value.size);
    parser->text.size = (size_t)(to - parser->text.block->data) + value.size;
    parser->data_size = parser->text.size;
}

static enum sl_status keep_name(struct sl_sse *parser, struct sl_view value,
                                size_t *at, size_t *size)
{
    *at = parser->names.size;
    *size = value.size;
    return keep(parser, &parser->names, value);
}

/* ASCII digits alone, else the field is ignored. */
static void set_retry(struct sl_sse *parser, struct sl_view value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < value.size; i++) {
        uint64_t digit = (uint64_t)(value.data[i] - '0');

        if (!sl_is_digit(value.data[i]))
            return;
        number =
            number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    if (value.size == 0)
        return;
    parser->retry = number;
    parser->has_retry = true;
}

/* A field other than data; an unknown one is ignored. */
static enum sl_status set_field(struct sl_sse *parser, struct sl_view name,
                                struct sl_view value)
{
    if (sl_view_equal(name, SL_VIEW("event")))
        return keep_name(parser, value, &parser->type_at, &parser->type_size);
    if (sl_view_equal(name, SL_VIEW("id"))) {
        if (value.size > 0 && memchr(value.data, '\0', value.size) != NULL)
            return SL_OK;
        parser->has_id = true;
        return keep_name(parser, value, &parser->id_at, &parser->id_size);
    }
    if (sl_view_equal(name, SL_VIEW("retry")))
        set_retry(parser, value);
    return SL_OK;
}

/* Splits a line that is neither blank nor a comment. */
static void split(struct sl_view line, struct sl_view *name,
                  struct sl_view *value)
{
    bool is_data = line.size > 4 && memcmp(line.data, "data:", 5) == 0;
    const char *colon =
        is_data ? line.data + 4 : memchr(line.data, ':', line.size);
    const char *end = line.data + line.size;

    if (colon == NULL) {
        *name = line;
        *value = sl_view(end, 0);
        return;
    }
    *name = sl_view(line.data, (size_t)(colon - line.data));
    colon++;
    if (colon < end && *colon == ' ')
        colon++;
    *value = sl_view(colon, (size_t)(end - colon));
}

/* ---- lines ---- */

static struct sl_view name_at(const struct sl_sse *parser, size_t at,
                              size_t size)
{
    return size == 0 ? sl_view("", 0)
                     : sl_view(parser->names.block->data + at, size);
}

static void give(struct sl_sse *parser, struct sl_sse_event *event)
{
    event->type = name_at(parser, parser->type_at, parser->type_size);
    event->data = parser->shown;
    if (!parser->is_shown)
        event->data = parser->data_size == 0 ? sl_view("", 0)
                                             : sl_view(parser->text.block->data,
                                                       parser->data_size);
    event->retry = parser->has_retry ? parser->retry : SL_SSE_NO_RETRY;
    parser->has_retry = false;
    parser->is_given = true;
    parser->events++;
    parser->since = 0;
}

/* A blank line: the ID counts even where there is no data, and so no event. */
static enum sl_status end_event(struct sl_sse *parser,
                                struct sl_sse_event *event)
{
    parser->open = 0;
    if (parser->has_id) {
        enum sl_status status = sl_sse_set_id(
            parser, name_at(parser, parser->id_at, parser->id_size));

        if (status != SL_OK)
            return fail(parser, status);
    }
    if (parser->data_lines == 0) {
        begin_event(parser);
        return SL_AGAIN;
    }
    give(parser, event);
    return SL_OK;
}

/* Takes a line without its end; `is_kept`: it stands in `text`. SL_OK: it
 * completes an event. */
static enum sl_status take_line(struct sl_sse *parser, struct sl_view line,
                                bool is_kept, struct sl_sse_event *event)
{
    enum sl_status status = check_size(parser, line.size, 1);
    struct sl_view name;
    struct sl_view value;

    if (status != SL_OK)
        return status;
    parser->lines++;
    parser->since += line.size + 1;
    if (line.size == 0)
        return end_event(parser, event);
    if (line.data[0] != ':') {
        parser->open += line.size + 1;
        split(line, &name, &value);
        if (!sl_view_equal(name, SL_VIEW("data")))
            status = set_field(parser, name, value);
        else if (is_kept)
            join_data(parser, value);
        else
            status = add_data(parser, value);
    }
    if (is_kept)
        parser->text.size = parser->data_size;
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* Bytes of the line that has begun. */
static size_t kept_line(const struct sl_sse *parser)
{
    return parser->text.size - parser->data_size;
}

/* Keeps the beginning of a line. SL_AGAIN: it was kept. */
static enum sl_status keep_line(struct sl_sse *parser, struct sl_view bytes)
{
    enum sl_status status =
        check_size(parser, kept_line(parser) + bytes.size, 0);

    if (status != SL_OK)
        return status;
    status = keep_data(parser);
    if (status == SL_OK)
        status = keep(parser, &parser->text, bytes);
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* Takes the line that ends before `end`, with what was kept of it. */
static enum sl_status take_bytes(struct sl_sse *parser, struct sl_view bytes,
                                 struct sl_sse_event *event)
{
    enum sl_status status;

    if (parser->text.size == 0 || kept_line(parser) == 0)
        return take_line(parser, bytes, false, event);
    status = keep_line(parser, bytes);
    if (status != SL_AGAIN)
        return status;
    return take_line(parser,
                     sl_view(parser->text.block->data + parser->data_size,
                             kept_line(parser)),
                     true, event);
}

/* ---- feeding ---- */

/* Skips a byte order mark at the start of the stream. What only began like one
 * belongs to the first line. */
static enum sl_status skip_mark(struct sl_sse *parser, struct sl_view bytes,
                                size_t *used)
{
    size_t begun;

    while (*used < bytes.size && parser->marked < MARK_SIZE) {
        if (bytes.data[*used] != byte_order_mark[parser->marked])
            break;
        parser->marked++;
        ++*used;
    }
    if (*used == bytes.size || parser->marked == MARK_SIZE)
        return SL_AGAIN;
    begun = parser->marked;
    parser->marked = MARK_SIZE;
    return begun == 0 ? SL_AGAIN
                      : keep_line(parser, sl_view(byte_order_mark, begun));
}

/* Keeps what an open event needs beyond these bytes, and no block for
 * nothing. */
static enum sl_status suspend(struct sl_sse *parser)
{
    enum sl_status status = keep_data(parser);

    if (status != SL_OK)
        return fail(parser, status);
    if (parser->text.size == 0)
        give_back(&parser->text);
    if (parser->names.size == 0)
        give_back(&parser->names);
    return SL_AGAIN;
}

static enum sl_status take_lines(struct sl_sse *parser, struct sl_view bytes,
                                 size_t *used, struct sl_sse_event *event)
{
    const char *end = bytes.data + bytes.size;
    const char *at = bytes.data + *used;
    enum sl_status status = SL_AGAIN;

    while (at < end && status == SL_AGAIN) {
        const char *found = sl_scan_line_end(at, end);
        const char *stop = found != NULL ? found : end;
        struct sl_view line = sl_view(at, (size_t)(stop - at));

        if (found == NULL) {
            status = keep_line(parser, line);
            at = end;
            break;
        }
        status = take_bytes(parser, line, event);
        at = found + 1;
        if (*found == '\r' && at == end)
            parser->is_behind_cr = true;
        else if (*found == '\r' && *at == '\n')
            at++;
    }
    *used = (size_t)(at - bytes.data);
    return status;
}

/* What nearly all events are: one line of data and a blank line, both there and
 * ended by LF. False: it is not that, or more than a limit allows. */
static bool take_plain(struct sl_sse *parser, struct sl_view bytes,
                       size_t *used, struct sl_sse_event *event)
{
    const char *at = bytes.data + *used;
    const char *end = bytes.data + bytes.size;
    const char *value = at + 5;
    const char *stop;
    size_t size;

    if (end - at < 7 || memcmp(at, "data:", 5) != 0)
        return false;
    stop = sl_scan_line_end(value, end);
    if (stop == NULL || *stop != '\n' || stop + 1 == end || stop[1] != '\n')
        return false;
    size = (size_t)(stop - at);
    if (size > parser->limits.line || parser->since > parser->limits.event ||
        size + 2 > parser->limits.event - parser->since)
        return false;
    value += *value == ' ';
    event->type = sl_view("", 0);
    event->data = sl_view(value, (size_t)(stop - value));
    event->retry = parser->has_retry ? parser->retry : SL_SSE_NO_RETRY;
    parser->has_retry = false;
    parser->lines += 2;
    parser->events++;
    parser->since = 0;
    *used += size + 2;
    return true;
}

enum sl_status sl_sse_feed(struct sl_sse *parser, struct sl_view bytes,
                           size_t *used, struct sl_sse_event *event)
{
    enum sl_status status = SL_AGAIN;

    *used = 0;
    if (parser->failed != SL_OK)
        return parser->failed;
    if (parser->is_given)
        begin_event(parser);
    if (bytes.size > 0 && parser->is_behind_cr) {
        *used = bytes.data[0] == '\n';
        parser->is_behind_cr = false;
    }
    if (parser->marked < MARK_SIZE)
        status = skip_mark(parser, bytes, used);
    if (status != SL_AGAIN || *used == bytes.size)
        return status == SL_AGAIN ? suspend(parser) : status;
    if (parser->open == 0 && parser->text.size == 0 &&
        take_plain(parser, bytes, used, event))
        return SL_OK;
    status = take_lines(parser, bytes, used, event);
    return status == SL_AGAIN ? suspend(parser) : status;
}

size_t sl_sse_unfinished(const struct sl_sse *parser)
{
    size_t size = parser->open;

    if (parser->is_given || parser->failed != SL_OK)
        return 0;
    if (parser->marked < MARK_SIZE)
        size += parser->marked;
    if (kept_line(parser) > 0 &&
        parser->text.block->data[parser->data_size] != ':')
        size += kept_line(parser);
    return size;
}
