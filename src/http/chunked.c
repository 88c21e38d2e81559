#include "http/chunked.h"

#include "base/ascii.h"
#include "http/scan.h"
#include "http/token.h"

#include <stddef.h>

/* Payload of that size stays where it is when the framing before it is at most
 * an eighth of it; the rest is joined to the run by moving it down. */
#define LARGE_PIECE      ((size_t)512)
#define FRAMING_FRACTION ((size_t)8)

/* More digits than that are read one by one. */
#define PLAIN_DIGITS 7

/* Few bytes are moved in steps of that many, without a call. */
#define STEP ((size_t)16)

/* Leading zeros are legal; endless ones are not waited for. */
#define MOST_DIGITS 20

/* What the next byte must be.
 *
 *   SIZE -> DIGITS -+-> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                   |     ^  \
 *                   |     |   `-> END after a size of 0
 *                   v     |
 *   AFTER_SIZE -> NAME -> IN_NAME -> VALUE -> IN_VALUE | QUOTED
 *
 * RFC 9112 7.1.1
 */
enum state {
    SIZE,         /* the first hexadecimal digit */
    DIGITS,       /* another, or what may follow a size */
    AFTER_SIZE,   /* blanks, then a semicolon */
    NAME,         /* blanks, then the first byte of an extension's name */
    IN_NAME,      /* another, or what may follow a name */
    AFTER_NAME,   /* blanks, then "=" or a semicolon */
    VALUE,        /* blanks, then the first byte of a value */
    IN_VALUE,     /* another, or what may follow a value */
    QUOTED,       /* inside a quoted string */
    QUOTED_PAIR,  /* behind its backslash */
    AFTER_QUOTED, /* what may follow a value */
    SIZE_LF,      /* the LF that ends a size line */
    DATA,         /* payload */
    DATA_CR,      /* the CR behind the payload */
    DATA_LF,      /* its LF */
    END           /* nothing: the last size line has been read */
};

/* The payload found in one call. */
struct run {
    char *start; /* NULL: none yet */
    char *end;
};

void sl_chunked_init(struct sl_chunked *chunked, bool lenient_lf)
{
    memset(chunked, 0, sizeof(*chunked));
    chunked->state = SIZE;
    chunked->lenient_lf = lenient_lf;
}

static void fail(struct sl_chunked *chunked, enum sl_status status,
                 const char *error)
{
    chunked->failed = (uint8_t)status;
    chunked->error = error;
}

/* ---- one byte of framing at a time ---- */

static void take_digit(struct sl_chunked *chunked, unsigned digit)
{
    if (digit > 15) {
        fail(chunked, SL_PROTOCOL, "chunk size is not a hexadecimal number");
    } else if (chunked->left > (uint64_t)INT64_MAX >> 4) {
        /* RFC 9112 7.1: no overflow */
        fail(chunked, SL_PROTOCOL, "chunk size exceeds 2^63 - 1");
    } else if (chunked->line == MOST_DIGITS) {
        fail(chunked, SL_PROTOCOL,
             "chunk size has more than " SL_NUMERAL(MOST_DIGITS) " digits");
    } else {
        chunked->left = chunked->left << 4 | digit;
        chunked->line++;
        chunked->state = DIGITS;
    }
}

static void end_size_line(struct sl_chunked *chunked)
{
    chunked->state = chunked->left == 0 ? END : DATA;
}

/* Where a size line may end or go on with an extension. False: `c` is none of
 * these. */
static bool take_separator(struct sl_chunked *chunked, char c)
{
    if (c == '\r')
        chunked->state = SIZE_LF;
    else if (c == '\n' && chunked->lenient_lf)
        end_size_line(chunked);
    else if (c == ';')
        chunked->state = NAME;
    else
        return false;
    return true;
}

static void fail_extension(struct sl_chunked *chunked)
{
    fail(chunked, SL_PROTOCOL, "malformed chunk extension");
}

/* RFC 9112 7.1.1: unknown extensions are ignored, malformed ones are not, since
 * some other parser may have seen a line end in them. */
static void take_extension(struct sl_chunked *chunked, char c)
{
    bool is_token = sl_is_token_byte((unsigned char)c);

    switch ((enum state)chunked->state) {
    case AFTER_SIZE:
        if (c == ';')
            chunked->state = NAME;
        else if (!sl_is_blank(c))
            fail_extension(chunked);
        break;
    case NAME:
        if (is_token)
            chunked->state = IN_NAME;
        else if (!sl_is_blank(c))
            fail_extension(chunked);
        break;
    case IN_NAME:
        if (c == '=')
            chunked->state = VALUE;
        else if (sl_is_blank(c))
            chunked->state = AFTER_NAME;
        else if (!is_token && !take_separator(chunked, c))
            fail_extension(chunked);
        break;
    case AFTER_NAME:
        if (c == '=')
            chunked->state = VALUE;
        else if (c == ';')
            chunked->state = NAME;
        else if (!sl_is_blank(c))
            fail_extension(chunked);
        break;
    case VALUE:
        if (c == '"')
            chunked->state = QUOTED;
        else if (is_token)
            chunked->state = IN_VALUE;
        else if (!sl_is_blank(c))
            fail_extension(chunked);
        break;
    case IN_VALUE:
        if (is_token)
            break;
        /* fall through */
    case AFTER_QUOTED:
        if (sl_is_blank(c))
            chunked->state = AFTER_SIZE;
        else if (!take_separator(chunked, c))
            fail_extension(chunked);
        break;
    case QUOTED:
        if (c == '"')
            chunked->state = AFTER_QUOTED;
        else if (c == '\\')
            chunked->state = QUOTED_PAIR;
        else if (sl_is_control((unsigned char)c))
            fail_extension(chunked);
        break;
    default: /* QUOTED_PAIR */
        chunked->state = QUOTED;
        if (sl_is_control((unsigned char)c))
            fail_extension(chunked);
        break;
    }
}

static void take_framing(struct sl_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case SIZE:
        chunked->line = 0;
        take_digit(chunked, sl_hex_value(c));
        break;
    case DIGITS:
        if (sl_hex_value(c) <= 15) {
            take_digit(chunked, sl_hex_value(c));
            break;
        }
        chunked->line = 1; /* from here on the extension's bytes */
        if (sl_is_blank(c))
            chunked->state = AFTER_SIZE;
        else if (!take_separator(chunked, c))
            fail(chunked, SL_PROTOCOL,
                 "chunk size is not a hexadecimal number");
        break;
    case SIZE_LF:
        if (c == '\n')
            end_size_line(chunked);
        else
            fail(chunked, SL_PROTOCOL, "CR without LF after a chunk size");
        break;
    case DATA_CR:
        if (c == '\r')
            chunked->state = DATA_LF;
        else if (c == '\n' && chunked->lenient_lf)
            chunked->state = SIZE;
        else
            fail(chunked, SL_PROTOCOL, "chunk longer than its size");
        break;
    case DATA_LF:
        chunked->state = SIZE;
        if (c != '\n')
            fail(chunked, SL_PROTOCOL, "CR without LF after a chunk");
        break;
    default:
        if (c != '\r' && c != '\n' &&
            ++chunked->line > SL_CHUNK_EXTENSION_LIMIT)
            fail(chunked, SL_LIMIT,
                 "chunk extension exceeds " SL_NUMERAL(
                     SL_CHUNK_EXTENSION_LIMIT) " bytes (fixed)");
        else
            take_extension(chunked, c);
        break;
    }
}

/* ---- payload ---- */

/* Joins `size` bytes at `from` to the run. False: they are better shown where
 * they are, in a run of their own. */
static bool join(const struct sl_chunked *chunked, struct run *run, char *from,
                 size_t size)
{
    size_t gap;

    if (run->start == NULL) {
        run->start = from;
        run->end = from + size;
        return true;
    }
    gap = (size_t)(from - run->end);
    if (chunked->keeps_input)
        return false;
    if (size >= LARGE_PIECE && gap <= size / FRAMING_FRACTION)
        return false;
    memmove(run->end, from, size);
    run->end += size;
    return true;
}

static inline bool is_crlf(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

/* Joins `size` bytes at `from` to the run that ends at `*tail`. */
static inline void move_down(char **tail, const char *from, size_t size,
                             const char *end)
{
    char *to = *tail;

    *tail += size;
    if (size > 4 * STEP || from - to < (ptrdiff_t)STEP ||
        (size_t)(end - from) < size + STEP) {
        memmove(to, from, size);
        return;
    }
    /* what is too much is overwritten */
    for (size_t done = 0; done < size; done += STEP)
        memcpy(to + done, from + done, STEP);
}

/* Chunks as the last one, whose size line of `line_size` bytes `line` begins
 * with: while that stays the same nothing has to be known of a chunk to find
 * the next, and the processor is busy with several at once. Where another one
 * starts. */
static char *take_alike(char **tail, uint64_t line, size_t line_size,
                        size_t size, char *at, const char *end)
{
    static const unsigned char kept[2 * sizeof line] = {255, 255, 255, 255,
                                                        255, 255, 255, 255};
    size_t whole = line_size + size + 2;
    uint64_t mask;
    uint64_t found;

    if (line_size > sizeof mask)
        return at;
    memcpy(&mask, kept + sizeof mask - line_size, sizeof mask);
    line &= mask;
    while ((size_t)(end - at) >= whole + sizeof found) {
        memcpy(&found, at, sizeof found);
        if ((found & mask) != line || !is_crlf(at + line_size + size))
            break;
        move_down(tail, at + line_size, size, end);
        at += whole;
    }
    return at;
}

/* Chunks without extension from `at`, whole small ones joined to the run.
 * Returns where the payload of a large or unfinished one starts, in state DATA,
 * or where something else does. */
static char *take_plain_chunks(struct sl_chunked *chunked, struct run *run,
                               char *at, const char *end)
{
    while (end - at >= PLAIN_DIGITS + 2) {
        size_t size = 0;
        unsigned digit;
        char *data = at;
        char *tail;
        uint64_t line; /* moving may overwrite it */

        while ((digit = sl_hex_value(*data)) <= 15 &&
               data - at < PLAIN_DIGITS) {
            size = size << 4 | digit;
            data++;
        }
        if (size == 0 || !is_crlf(data))
            break;
        data += 2;
        if (size >= LARGE_PIECE || (size_t)(end - data) < size + 2) {
            chunked->state = DATA;
            chunked->left = size;
            return data;
        }
        if (!is_crlf(data + size))
            break;
        memcpy(&line, at, sizeof line);
        tail = run->end;
        if (run->start == NULL) {
            run->start = data;
            tail = data + size;
        } else {
            move_down(&tail, data, size, end);
        }
        at = take_alike(&tail, line, (size_t)(data - at), size, data + size + 2,
                        end);
        run->end = tail;
    }
    return at;
}

enum sl_status sl_chunked_decode(struct sl_chunked *chunked,
                                 struct sl_room bytes, size_t *consumed,
                                 struct sl_view *payload)
{
    char *at = bytes.data;
    const char *end = bytes.data + bytes.size;
    struct run run = {NULL, NULL};
    enum sl_status status = SL_AGAIN;

    if (chunked->failed != SL_OK)
        return chunked->failed;
    while (at < end && chunked->state != END) {
        if (chunked->state == DATA) {
            size_t size = (size_t)(end - at);

            if (size > chunked->left)
                size = (size_t)chunked->left;
            if (!join(chunked, &run, at, size)) {
                status = SL_OK;
                break;
            }
            at += size;
            chunked->left -= size;
            if (chunked->left == 0 && end - at >= 2 && is_crlf(at)) {
                at += 2;
                chunked->state = SIZE;
            } else if (chunked->left == 0) {
                chunked->state = DATA_CR;
            }
            continue;
        }
        if (chunked->state == SIZE && !chunked->keeps_input) {
            at = take_plain_chunks(chunked, &run, at, end);
            if (chunked->state == DATA)
                continue;
            if (at == end)
                break;
        }
        take_framing(chunked, *at);
        if (chunked->failed != SL_OK) {
            /* what came before it is still good, and handed over first */
            status = run.start != NULL ? SL_OK : chunked->failed;
            break;
        }
        at++;
    }
    if (sl_is_failure(status))
        return status;
    *consumed = (size_t)(at - bytes.data);
    *payload = sl_view(run.start, (size_t)(run.end - run.start));
    return chunked->state == END ? SL_END : status;
}
