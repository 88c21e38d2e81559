#include "events/sse.h"

#include "base/ascii.h"
#include "events/scan.h"

#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";
#define MARK_SIZE 3

/* As `id_size`: the ID is longer than its room. */
#define ID_IS_KEPT 255

static const struct sl_sse_limits default_limits = {SL_SSE_LINE_LIMIT,
                                                    SL_SSE_EVENT_LIMIT};

/* ---- a life ---- */

/* Forgets the event under way. The draft stays, for the next one. */
static void begin_event(struct sl_sse *parser)
{
    parser->is_shown = parser->is_given = parser->has_id = parser->has_type =
        false;
    parser->is_plain = false;
    if (parser->draft != NULL)
        sl_draft_clear(parser->draft);
}

static void drop_draft(struct sl_sse *parser)
{
    if (parser->draft != NULL)
        sl_draft_release(parser->draft);
    parser->draft = NULL;
}

/* SL_OK: there is a draft. */
static inline enum sl_status begin_draft(struct sl_sse *parser)
{
    return parser->draft != NULL ? SL_OK
                                 : sl_draft_rent(parser->pool, &parser->draft);
}

static void begin_stream(struct sl_sse *parser)
{
    begin_event(parser);
    drop_draft(parser);
    parser->failed = SL_OK;
    parser->lines = parser->events = 0;
    parser->since = 0;
    parser->marked = 0;
    parser->is_behind_cr = parser->has_retry = parser->is_line_fault = false;
}

void sl_sse_init(struct sl_sse *parser, struct sl_pool *pool,
                 const struct sl_sse_limits *limits)
{
    memset(parser, 0, sizeof *parser);
    parser->limits = limits != NULL ? limits : &default_limits;
    parser->retry = SL_SSE_NO_RETRY;
    parser->pool = pool;
}

static void drop_id(struct sl_sse *parser)
{
    if (parser->id_size == ID_IS_KEPT)
        sl_kept_release(&parser->id.kept);
    parser->id_size = 0;
}

void sl_sse_fini(struct sl_sse *parser)
{
    begin_stream(parser);
    drop_id(parser);
}

void sl_sse_reset(struct sl_sse *parser)
{
    begin_stream(parser);
}

/* Keeps an ID that is too long for its room. */
static enum sl_status keep_id(struct sl_sse *parser, struct sl_view id)
{
    struct sl_kept kept = {NULL, 0};
    enum sl_status status;

    if (parser->id_size == ID_IS_KEPT)
        kept.block = parser->id.kept.block;
    parser->id_size = 0;
    status = sl_kept_add(&kept, parser->pool, id);
    if (status != SL_OK) {
        sl_kept_release(&kept);
        return status;
    }
    parser->id.kept = kept;
    parser->id_size = ID_IS_KEPT;
    return SL_OK;
}

enum sl_status sl_sse_set_id(struct sl_sse *parser, struct sl_view id)
{
    parser->had_id = parser->is_id_new = true;
    if (id.size > sizeof parser->id.room)
        return keep_id(parser, id);
    drop_id(parser);
    if (id.size > 0)
        memcpy(parser->id.room, id.data, id.size);
    parser->id_size = (unsigned char)id.size;
    return SL_OK;
}

struct sl_view sl_sse_id(const struct sl_sse *parser)
{
    const struct sl_kept *kept = &parser->id.kept;

    return parser->id_size == ID_IS_KEPT
               ? sl_view(kept->block->data, kept->size)
               : sl_view(parser->id.room, parser->id_size);
}

/* ---- failures ---- */

static enum sl_status fail(struct sl_sse *parser, enum sl_status status)
{
    drop_draft(parser);
    parser->failed = (unsigned char)status;
    return status;
}

/* Checks a line of which `size` bytes are there so far, `ended` more are its
 * end. */
static enum sl_status check_size(struct sl_sse *parser, size_t size,
                                 size_t ended)
{
    if (size > parser->limits->line) {
        parser->is_line_fault = true;
        return fail(parser, SL_LIMIT);
    }
    if (parser->since > parser->limits->event ||
        size + ended > parser->limits->event - parser->since)
        return fail(parser, SL_LIMIT);
    return SL_OK;
}

enum sl_status sl_sse_explain(const struct sl_sse *parser,
                              struct sl_failure *failure)
{
    if (parser->failed != SL_LIMIT)
        return sl_fail(failure, (enum sl_status)parser->failed, SL_STAGE_BODY,
                       "out of memory");
    if (parser->is_line_fault)
        return sl_fail(failure, SL_LIMIT, SL_STAGE_BODY,
                       "line %llu is longer than %zu bytes (max_line_size)",
                       (unsigned long long)parser->lines + 1,
                       parser->limits->line);
    return sl_fail(failure, SL_LIMIT, SL_STAGE_BODY,
                   "event %llu is not complete within %zu bytes "
                   "(max_event_size)",
                   (unsigned long long)parser->events + 1,
                   parser->limits->event);
}

/* ---- fields ---- */

/* Moves the data that lies in the input into the draft. */
static enum sl_status keep_data(struct sl_sse *parser)
{
    if (!parser->is_shown)
        return SL_OK;
    parser->is_shown = false;
    return sl_draft_add_data(parser->draft, parser->pool, parser->shown);
}

/* Adds a value of a line in the input. */
static enum sl_status add_data(struct sl_sse *parser, struct sl_view value)
{
    struct sl_draft *draft = parser->draft;
    enum sl_status status;

    if (draft->data_lines++ == 0) {
        parser->shown = value;
        parser->is_shown = true;
        return SL_OK;
    }
    status = keep_data(parser);
    if (status == SL_OK)
        status = sl_draft_add_data(draft, parser->pool, SL_VIEW("\n"));
    if (status == SL_OK)
        status = sl_draft_add_data(draft, parser->pool, value);
    return status;
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
    struct sl_draft *draft = parser->draft;

    if (sl_view_equal(name, SL_VIEW("event"))) {
        parser->has_type = true;
        return sl_draft_set_name(draft, parser->pool, &draft->type, value);
    }
    if (sl_view_equal(name, SL_VIEW("id"))) {
        if (value.size > 0 && memchr(value.data, '\0', value.size) != NULL)
            return SL_OK;
        parser->has_id = true;
        return sl_draft_set_name(draft, parser->pool, &draft->id, value);
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

/* An event is complete, whose data is `shown`. */
static void give(struct sl_sse *parser)
{
    parser->is_given = true;
    parser->events++;
    parser->since = 0;
}

struct sl_view sl_sse_type(const struct sl_sse *parser)
{
    const struct sl_draft *draft = parser->draft;

    return draft == NULL ? sl_view("", 0) : sl_draft_name(draft, &draft->type);
}

/* A blank line: the ID counts even where there is no data, and so no event. */
static enum sl_status end_event(struct sl_sse *parser)
{
    struct sl_draft *draft = parser->draft;

    if (draft == NULL)
        return SL_AGAIN;
    draft->open = 0;
    if (parser->has_id) {
        enum sl_status status =
            sl_sse_set_id(parser, sl_draft_name(draft, &draft->id));

        if (status != SL_OK)
            return fail(parser, status);
    }
    if (draft->data_lines == 0) {
        begin_event(parser);
        return SL_AGAIN;
    }
    if (!parser->is_shown)
        parser->shown = sl_draft_data(draft);
    give(parser);
    return SL_OK;
}

/* Takes a field; `is_kept`: its line stands in the draft. */
static enum sl_status take_field(struct sl_sse *parser, struct sl_view line,
                                 bool is_kept)
{
    enum sl_status status = begin_draft(parser);
    struct sl_view name;
    struct sl_view value;

    if (status != SL_OK)
        return status;
    parser->draft->open += line.size + 1;
    split(line, &name, &value);
    if (!sl_view_equal(name, SL_VIEW("data")))
        return set_field(parser, name, value);
    if (!is_kept)
        return add_data(parser, value);
    sl_draft_join_line(parser->draft, value);
    return SL_OK;
}

/* Takes a line without its end; `is_kept`: it stands in the draft. SL_OK: it
 * completes an event. */
static enum sl_status take_line(struct sl_sse *parser, struct sl_view line,
                                bool is_kept)
{
    enum sl_status status = check_size(parser, line.size, 1);

    if (status != SL_OK)
        return status;
    parser->lines++;
    parser->since += line.size + 1;
    if (line.size == 0)
        return end_event(parser);
    if (line.data[0] != ':')
        status = take_field(parser, line, is_kept);
    if (is_kept)
        sl_draft_drop_line(parser->draft);
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* What was kept of the line that has begun. */
static struct sl_view kept_line(const struct sl_sse *parser)
{
    return parser->draft == NULL ? sl_view("", 0)
                                 : sl_draft_line(parser->draft);
}

/* Keeps the beginning of a line. SL_AGAIN: it was kept. */
static enum sl_status keep_line(struct sl_sse *parser, struct sl_view bytes)
{
    enum sl_status status =
        check_size(parser, kept_line(parser).size + bytes.size, 0);

    if (status != SL_OK)
        return status;
    status = begin_draft(parser);
    if (status == SL_OK)
        status = keep_data(parser);
    if (status == SL_OK)
        status = sl_draft_add_line(parser->draft, parser->pool, bytes);
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* Takes the line that ends before `end`, with what was kept of it. */
static enum sl_status take_bytes(struct sl_sse *parser, struct sl_view bytes)
{
    enum sl_status status;

    if (kept_line(parser).size == 0)
        return take_line(parser, bytes, false);
    status = keep_line(parser, bytes);
    return status == SL_AGAIN ? take_line(parser, kept_line(parser), true)
                              : status;
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

/* Keeps what an open event needs beyond these bytes, and no draft for
 * nothing. */
static enum sl_status suspend(struct sl_sse *parser)
{
    enum sl_status status;

    if (parser->draft == NULL)
        return SL_AGAIN;
    status = keep_data(parser);
    if (status != SL_OK)
        return fail(parser, status);
    if (sl_draft_is_empty(parser->draft))
        drop_draft(parser);
    return SL_AGAIN;
}

static enum sl_status take_lines(struct sl_sse *parser, struct sl_view bytes,
                                 size_t *used)
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
        status = take_bytes(parser, line);
        at = found + 1;
        if (*found == '\r' && at == end)
            parser->is_behind_cr = true;
        else if (*found == '\r' && *at == '\n')
            at++;
    }
    *used = (size_t)(at - bytes.data);
    return status;
}

/* Whether nothing is under way, and the next byte begins a line. */
static bool is_at_rest(const struct sl_sse *parser)
{
    return parser->marked == MARK_SIZE && !parser->is_behind_cr &&
           (parser->draft == NULL || sl_draft_is_empty(parser->draft));
}

static void end_given(struct sl_sse *parser)
{
    begin_event(parser);
    parser->has_retry = false;
}

void sl_sse_rest(struct sl_sse *parser)
{
    if (!parser->is_given)
        return;
    end_given(parser);
    drop_draft(parser);
}

/* Feeds bytes of any kind. */
static enum sl_status feed(struct sl_sse *parser, struct sl_view bytes,
                           size_t *used)
{
    enum sl_status status = SL_AGAIN;

    *used = 0;
    if (parser->is_given)
        end_given(parser);
    if (bytes.size > 0 && parser->is_behind_cr) {
        *used = bytes.data[0] == '\n';
        parser->is_behind_cr = false;
    }
    if (parser->marked < MARK_SIZE)
        status = skip_mark(parser, bytes, used);
    if (status != SL_AGAIN || *used == bytes.size)
        return status == SL_AGAIN ? suspend(parser) : status;
    status = take_lines(parser, bytes, used);
    return status == SL_AGAIN ? suspend(parser) : status;
}

enum sl_status sl_sse_feed_plain(struct sl_sse *parser, struct sl_view bytes,
                                 size_t *used)
{
    const struct sl_sse_limits *limits = parser->limits;
    const char *end = bytes.data + bytes.size;
    const char *value = bytes.data + 5;
    const char *stop;
    size_t size;

    if (bytes.size < 7 || memcmp(bytes.data, "data:", 5) != 0)
        return feed(parser, bytes, used);
    stop = sl_scan_line_end(value, end);
    if (stop == NULL || *stop != '\n' || stop + 1 == end || stop[1] != '\n')
        return feed(parser, bytes, used);
    size = (size_t)(stop - bytes.data);
    if (size > limits->line || parser->since > limits->event ||
        size + 2 > limits->event - parser->since)
        return feed(parser, bytes, used);
    value += *value == ' ';
    parser->shown = sl_view(value, (size_t)(stop - value));
    parser->lines += 2;
    parser->is_plain = !parser->has_retry;
    give(parser);
    *used = size + 2;
    return SL_OK;
}

enum sl_status sl_sse_feed_any(struct sl_sse *parser, struct sl_view bytes,
                               size_t *used)
{
    if (parser->failed != SL_OK) {
        *used = 0;
        return (enum sl_status)parser->failed;
    }
    if (parser->is_given)
        end_given(parser);
    return is_at_rest(parser) ? sl_sse_feed_plain(parser, bytes, used)
                              : feed(parser, bytes, used);
}

size_t sl_sse_unfinished(const struct sl_sse *parser)
{
    struct sl_view line = kept_line(parser);
    size_t size = parser->marked < MARK_SIZE ? parser->marked : 0;

    if (parser->is_given || parser->failed != SL_OK)
        return 0;
    if (parser->draft != NULL)
        size += parser->draft->open;
    return line.size > 0 && line.data[0] != ':' ? size + line.size : size;
}
