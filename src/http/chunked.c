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

/* Leading zeros are legal; endless ones are not waited for. */
#define MOST_DIGITS 20

/* What the next byte must be.
 *
 *   SIZE -> DIGITS -+-> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                   |     ^  \
 *                   |     |   `-> END after a size of 0
 *                   v     |
 *   AFTER_SIZE -> NAME -> IN_NAME -> VALUE -> IN_VALUE | QUOTED (RFC 9112 7.1.1)
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
    chunked->failed = status;
    chunked->error = error;
}

/* ---- one byte of framing at a time ---- */

static void take_digit(struct sl_chunked *chunked, unsigned digit)
{
    if (digit > 15) {
        fail(chunked, SL_PROTOCOL, "chunk size is not a hexadecimal number");
    } else if (chunked->left > (uint64_t)INT64_MAX >> 4) {
        /* RFC 9112 7.1: no overflow */
        fail(chunked, SL_PROTOCOL, "chunk size too large");
    } else if (chunked->line == MOST_DIGITS) {
        fail(chunked, SL_PROTOCOL, "chunk size has too many digits");
    } else {
        chunked->left = chunked->left << 4 | digit;
        chunked->line++;
        chunked->state = DIGITS;
    }
}

static void end_size_line(struct sl_chunked *chunked)
{
    chunked->line = 0;
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
            fail(chunked, SL_LIMIT, "chunk extension too long");
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

/* Chunks without extension from `at`, whole small ones joined to the run. Returns
 * where the payload of a large or unfinished one starts, in state DATA, or where
 * something else does. */
static char *take_plain_chunks(struct sl_chunked *chunked, struct run *run,
                               char *at, const char *end)
{
    while (end - at >= PLAIN_DIGITS + 2) {
        size_t size = 0;
        unsigned digit;
        char *data = at;

        while ((digit = sl_hex_value(*data)) <= 15 &&
               data - at < PLAIN_DIGITS) {
            size = size << 4 | digit;
            data++;
        }
        if (size == 0 || data[0] != '\r' || data[1] != '\n')
            break;
        data += 2;
        if (size >= LARGE_PIECE || (size_t)(end - data) < size + 2) {
            chunked->state = DATA;
            chunked->left = size;
            return data;
        }
        if (data[size] != '\r' || data[size + 1] != '\n')
            break;
        if (run->start == NULL) {
            run->start = data;
            run->end = data + size;
        } else if (size <= 16 && data - run->end >= 16 && end - data >= 16) {
            memcpy(run->end, data, 16); /* what is too much is overwritten */
            run->end += size;
        } else {
            memmove(run->end, data, size);
            run->end += size;
        }
        at = data + size + 2;
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
            if (chunked->left == 0)
                chunked->state = DATA_CR;
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
