#include "events/sse.h"

#include "base/ascii.h"
#include "base/debug.h"
#include "events/scan.h"

#include <stddef.h>
#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";
#define MARK_SIZE 3

/* As `id_size`: the ID is longer than its room. */
#define ID_IS_KEPT 255

/* The bytes of a type and a new ID for which a draft has room. */
#define NAMES_ROOM 160

/* An event that has begun. */
struct sl_sse_draft {
    struct sl_segment *block; /* its own */
    struct sl_sse_kept text;  /* data, and behind it a line that has begun */
    size_t data_size;         /* of the data in `text` */
    size_t data_lines;
    struct sl_sse_kept names; /* the type and the new ID; no block: in `room` */
    size_t type_at;           /* in `names` */
    size_t type_size;
    size_t id_at; /* in `names` */
    size_t id_size;
    size_t open; /* bytes of fields since the last blank line */
    char room[NAMES_ROOM];
};

static const struct sl_sse_limits default_limits = {SL_SSE_LINE_LIMIT,
                                                    SL_SSE_EVENT_LIMIT};

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

/* Forgets the event under way. The draft stays, for the next one. */
static void begin_event(struct sl_sse *parser)
{
    struct sl_sse_draft *draft = parser->draft;

    parser->is_shown = parser->is_given = parser->has_id = parser->has_type =
        false;
    parser->is_plain = false;
    if (draft == NULL)
        return;
    draft->text.size = draft->names.size = 0;
    draft->data_size = draft->data_lines = 0;
    draft->type_size = 0;
}

static void drop_draft(struct sl_sse *parser)
{
    struct sl_sse_draft *draft = parser->draft;

    if (draft == NULL)
        return;
    parser->draft = NULL;
    give_back(&draft->text);
    give_back(&draft->names);
    sl_segment_release(draft->block);
}

static enum sl_status rent_draft(struct sl_sse *parser)
{
    struct sl_segment *block;
    enum sl_status status =
        sl_pool_rent_block(parser->pool, sizeof *parser->draft, &block);

    if (status != SL_OK)
        return status;
    parser->draft = (struct sl_sse_draft *)(void *)block->data;
    memset(parser->draft, 0, offsetof(struct sl_sse_draft, room));
    parser->draft->block = block;
    return SL_OK;
}

/* SL_OK: there is a draft. */
static inline enum sl_status begin_draft(struct sl_sse *parser)
{
    return parser->draft != NULL ? SL_OK : rent_draft(parser);
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
        give_back(&parser->id.kept);
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
    struct sl_sse_kept kept = {NULL, 0};
    enum sl_status status;

    if (parser->id_size == ID_IS_KEPT)
        kept.block = parser->id.kept.block;
    parser->id_size = 0;
    status = keep(parser, &kept, id);
    if (status != SL_OK) {
        give_back(&kept);
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
    const struct sl_sse_kept *kept = &parser->id.kept;

    return parser->id_size == ID_IS_KEPT
               ? sl_view(kept->block->data, kept->size)
               : sl_view(parser->id.room, parser->id_size);
}

/* ---- failures ---- */

static enum sl_status fail(struct sl_sse *parser, enum sl_status status)
{
    begin_event(parser);
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

/* Moves the data that lies in the input into `text`. */
static enum sl_status keep_data(struct sl_sse *parser)
{
    struct sl_sse_draft *draft = parser->draft;
    enum sl_status status;

    if (!parser->is_shown)
        return SL_OK;
    status = keep(parser, &draft->text, parser->shown);
    parser->is_shown = false;
    draft->data_size = draft->text.size;
    return status;
}

/* Adds a value of a line in the input. */
static enum sl_status add_data(struct sl_sse *parser, struct sl_view value)
{
    struct sl_sse_draft *draft = parser->draft;
    enum sl_status status;

    if (draft->data_lines++ == 0) {
        parser->shown = value;
        parser->is_shown = true;
        return SL_OK;
    }
    status = keep_data(parser);
    if (status == SL_OK)
        status = keep(parser, &draft->text, SL_VIEW("\n"));
    if (status == SL_OK)
        status = keep(parser, &draft->text, value);
    draft->data_size = draft->text.size;
    return status;
}

/* The same for the line that stands in `text` behind the data: the value moves
 * down, over the name of its field. */
static void join_data(struct sl_sse_draft *draft, struct sl_view value)
{
    char *to = draft->text.block->data + draft->data_size;

    if (draft->data_lines++ > 0)
        *to++ = '\n';
    if (value.size > 0)
        memmove(to, value.data, value.size);
    draft->text.size = (size_t)(to - draft->text.block->data) + value.size;
    draft->data_size = draft->text.size;
}

static enum sl_status keep_name(struct sl_sse *parser, struct sl_view value,
                                size_t *at, size_t *size)
{
    struct sl_sse_kept *names = &parser->draft->names;
    char *room = parser->draft->room;

    *at = names->size;
    *size = value.size;
    if (names->block == NULL && value.size <= NAMES_ROOM - names->size) {
        if (value.size > 0)
            memcpy(room + names->size, value.data, value.size);
        names->size += value.size;
        return SL_OK;
    }
    if (names->block == NULL) { /* from now on all are in a block */
        struct sl_view earlier = sl_view(room, names->size);
        enum sl_status status;

        names->size = 0;
        status = keep(parser, names, earlier);
        if (status != SL_OK)
            return status;
    }
    return keep(parser, names, value);
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
    if (sl_view_equal(name, SL_VIEW("event"))) {
        parser->has_type = true;
        return keep_name(parser, value, &parser->draft->type_at,
                         &parser->draft->type_size);
    }
    if (sl_view_equal(name, SL_VIEW("id"))) {
        if (value.size > 0 && memchr(value.data, '\0', value.size) != NULL)
            return SL_OK;
        parser->has_id = true;
        return keep_name(parser, value, &parser->draft->id_at,
                         &parser->draft->id_size);
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

static struct sl_view name_at(const struct sl_sse_draft *draft, size_t at,
                              size_t size)
{
    const char *names =
        draft->names.block != NULL ? draft->names.block->data : draft->room;

    return size == 0 ? sl_view("", 0) : sl_view(names + at, size);
}

/* An event is complete, whose data is `shown`. */
static void give(struct sl_sse *parser)
{
    parser->is_given = true;
    parser->events++;
    parser->since = 0;
}

struct sl_view sl_sse_type(const struct sl_sse *parser)
{
    const struct sl_sse_draft *draft = parser->draft;

    return draft == NULL ? sl_view("", 0)
                         : name_at(draft, draft->type_at, draft->type_size);
}

/* A blank line: the ID counts even where there is no data, and so no event. */
static enum sl_status end_event(struct sl_sse *parser)
{
    struct sl_sse_draft *draft = parser->draft;

    if (draft == NULL)
        return SL_AGAIN;
    draft->open = 0;
    if (parser->has_id) {
        enum sl_status status =
            sl_sse_set_id(parser, name_at(draft, draft->id_at, draft->id_size));

        if (status != SL_OK)
            return fail(parser, status);
    }
    if (draft->data_lines == 0) {
        begin_event(parser);
        return SL_AGAIN;
    }
    if (!parser->is_shown)
        parser->shown = draft->data_size == 0 ? sl_view("", 0)
                                              : sl_view(draft->text.block->data,
                                                        draft->data_size);
    give(parser);
    return SL_OK;
}

/* Takes a field; `is_kept`: its line stands in `text`. */
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
    join_data(parser->draft, value);
    return SL_OK;
}

/* Takes a line without its end; `is_kept`: it stands in `text`. SL_OK: it
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
        parser->draft->text.size = parser->draft->data_size;
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* Bytes of the line that has begun. */
static size_t kept_line(const struct sl_sse *parser)
{
    const struct sl_sse_draft *draft = parser->draft;

    return draft == NULL || draft->text.size == 0
               ? 0
               : draft->text.size - draft->data_size;
}

/* Keeps the beginning of a line. SL_AGAIN: it was kept. */
static enum sl_status keep_line(struct sl_sse *parser, struct sl_view bytes)
{
    enum sl_status status =
        check_size(parser, kept_line(parser) + bytes.size, 0);

    if (status != SL_OK)
        return status;
    status = begin_draft(parser);
    if (status == SL_OK)
        status = keep_data(parser);
    if (status == SL_OK)
        status = keep(parser, &parser->draft->text, bytes);
    return status == SL_OK ? SL_AGAIN : fail(parser, status);
}

/* Takes the line that ends before `end`, with what was kept of it. */
static enum sl_status take_bytes(struct sl_sse *parser, struct sl_view bytes)
{
    const struct sl_sse_draft *draft;
    enum sl_status status;

    if (kept_line(parser) == 0)
        return take_line(parser, bytes, false);
    status = keep_line(parser, bytes);
    if (status != SL_AGAIN)
        return status;
    draft = parser->draft;
    return take_line(
        parser,
        sl_view(draft->text.block->data + draft->data_size, kept_line(parser)),
        true);
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
    const struct sl_sse_draft *draft = parser->draft;
    enum sl_status status;

    if (draft == NULL)
        return SL_AGAIN;
    status = keep_data(parser);
    if (status != SL_OK)
        return fail(parser, status);
    if (draft->open == 0 && draft->text.size == 0)
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
    const struct sl_sse_draft *draft = parser->draft;

    return parser->marked == MARK_SIZE && !parser->is_behind_cr &&
           (draft == NULL || (draft->open == 0 && draft->text.size == 0));
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

/* Feeds what likely begins with a plain event, as nearly all are: one line of
 * data and a blank line, both there and ended by LF, within the limits. Nothing
 * else is under way. */
static enum sl_status feed_plain(struct sl_sse *parser, struct sl_view bytes,
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

enum sl_status sl_sse_feed(struct sl_sse *parser, struct sl_view bytes,
                           size_t *used)
{
    if (parser->is_plain) /* then nothing of the last event is to be ended */
        return feed_plain(parser, bytes, used);
    if (parser->failed != SL_OK) {
        *used = 0;
        return (enum sl_status)parser->failed;
    }
    if (parser->is_given)
        end_given(parser);
    return is_at_rest(parser) ? feed_plain(parser, bytes, used)
                              : feed(parser, bytes, used);
}

size_t sl_sse_unfinished(const struct sl_sse *parser)
{
    const struct sl_sse_draft *draft = parser->draft;
    size_t size = parser->marked < MARK_SIZE ? parser->marked : 0;

    if (parser->is_given || parser->failed != SL_OK)
        return 0;
    if (draft == NULL)
        return size;
    size += draft->open;
    if (kept_line(parser) > 0 &&
        draft->text.block->data[draft->data_size] != ':')
        size += kept_line(parser);
    return size;
}
