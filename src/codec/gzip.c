#include "codec/gzip.h"

#include "codec/crc32.h"
#include "codec/engine.h"

#include <zlib.h>

/* gzip:    MAGIC -> FIXED [-> EXTRA_SIZE -> EXTRA] [-> NAME] [-> COMMENT]
 *          [-> HEADER_CHECK] -> CONTENT -> CRC -> MAGIC ... [-> PADDING]
 * deflate: DETECT -> CONTENT [-> ADLER] -> NOTHING */
enum state {
    MAGIC,        /* 1f 8b 08; between members the body may end */
    FIXED,        /* flags, time, extra flags, system */
    EXTRA_SIZE,   /* two bytes */
    EXTRA,        /* `skip` bytes */
    NAME,         /* up to a zero byte */
    COMMENT,      /* up to a zero byte */
    HEADER_CHECK, /* the low half of the header's crc32 */
    DETECT,       /* zlib's two bytes, or content */
    CONTENT,      /* the engine's */
    CRC,          /* crc32 and size of the content */
    PADDING,      /* zero bytes alone, behind the last member */
    ADLER,        /* adler32 of the content */
    NOTHING       /* no byte at all */
};

enum flag {
    FLAG_HEADER_CHECK = 2,
    FLAG_EXTRA = 4,
    FLAG_NAME = 8,
    FLAG_COMMENT = 16,
    FLAG_RESERVED = 0xe0
};

enum format { GZIP, ZLIB, RAW };

struct gzip {
    struct sl_decoder base;
    enum format format; /* of deflate: RAW until detected */
    enum state state;
    bool has_member; /* one is complete */
    unsigned flags;
    size_t skip;
    uint32_t check; /* of the header, then of the content, so far */
    uint32_t size;  /* of the content, modulo 2^32 */
    unsigned char field[8];
    size_t field_size;
};

const char *const sl_gzip_aliases[] = {"x-gzip", NULL};

static void start_gzip(struct sl_decoder *decoder)
{
    struct gzip *self = (struct gzip *)decoder;

    self->state = MAGIC;
    self->format = GZIP;
    self->has_member = false;
    self->check = 0;
    self->field_size = 0;
}

static void start_deflate(struct sl_decoder *decoder)
{
    struct gzip *self = (struct gzip *)decoder;

    self->state = DETECT;
    self->format = RAW;
    self->check = 0;
    self->field_size = 0;
}

static enum sl_status corrupt(struct gzip *self, const char *reason)
{
    self->base.reason = reason;
    return SL_DECODE;
}

/* ---- the bytes around the content ---- */

static void consume(struct gzip *self, struct sl_buffer *input,
                    struct sl_view bytes)
{
    if (self->format == GZIP && self->state < CONTENT &&
        self->state != HEADER_CHECK)
        self->check = sl_crc32(self->check, bytes);
    sl_engine_consume(self->base.engine, input, bytes.size);
}

/* Whether `field` holds `size` bytes. */
static bool take_field(struct gzip *self, struct sl_buffer *input, size_t size)
{
    while (self->field_size < size) {
        struct sl_view view = sl_engine_peek(self->base.engine, input);
        size_t missing = size - self->field_size;

        if (view.size == 0)
            return false;
        if (view.size > missing)
            view.size = missing;
        memcpy(self->field + self->field_size, view.data, view.size);
        self->field_size += view.size;
        consume(self, input, view);
    }
    self->field_size = 0;
    return true;
}

/* Whether `skip` bytes have arrived. */
static bool skip_bytes(struct gzip *self, struct sl_buffer *input)
{
    while (self->skip > 0) {
        struct sl_view view = sl_engine_peek(self->base.engine, input);

        if (view.size == 0)
            return false;
        if (view.size > self->skip)
            view.size = self->skip;
        self->skip -= view.size;
        consume(self, input, view);
    }
    return true;
}

/* Whether a zero byte has arrived. */
static bool skip_text(struct gzip *self, struct sl_buffer *input)
{
    for (;;) {
        struct sl_view view = sl_engine_peek(self->base.engine, input);
        const char *zero;

        if (view.size == 0)
            return false;
        zero = memchr(view.data, '\0', view.size);
        if (zero != NULL)
            view.size = (size_t)(zero - view.data) + 1;
        consume(self, input, view);
        if (zero != NULL)
            return true;
    }
}

static uint32_t little_16(const unsigned char *field)
{
    return (uint32_t)field[0] | (uint32_t)field[1] << 8;
}

static uint32_t little_32(const unsigned char *field)
{
    return little_16(field) | little_16(field + 2) << 16;
}

static uint32_t big_32(const unsigned char *field)
{
    return (uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 |
           (uint32_t)field[2] << 8 | (uint32_t)field[3];
}

static enum sl_status begin_content(struct gzip *self)
{
    self->check = self->format == ZLIB ? 1 : 0;
    self->size = 0;
    self->state = CONTENT;
    return SL_OK;
}

/* Tapes and some servers fill the last block with zeros, as gzip(1) accepts. */
static bool begins_padding(const struct gzip *self, struct sl_buffer *input)
{
    struct sl_view view = sl_engine_peek(self->base.engine, input);

    return self->has_member && self->field_size == 0 && view.size > 0 &&
           view.data[0] == '\0';
}

static enum sl_status skip_padding(struct gzip *self, struct sl_buffer *input)
{
    for (;;) {
        struct sl_view view = sl_engine_peek(self->base.engine, input);
        size_t zeros = 0;

        if (view.size == 0)
            return SL_AGAIN;
        while (zeros < view.size && view.data[zeros] == '\0')
            zeros++;
        if (zeros < view.size)
            return corrupt(self, "data after the end of gzip data");
        sl_engine_consume(self->base.engine, input, zeros);
    }
}

static enum sl_status check_magic(struct gzip *self)
{
    if (self->field[0] != 0x1f || self->field[1] != 0x8b)
        return corrupt(self, self->has_member
                                 ? "data after the end of gzip data"
                                 : "not gzip data");
    if (self->field[2] != 8)
        return corrupt(self, "unknown compression method in gzip header");
    self->state = FIXED;
    return SL_OK;
}

static enum sl_status check_fixed(struct gzip *self)
{
    self->flags = self->field[0];
    /* RFC 1952 2.3.1.2: they may announce fields we would take for content. */
    if ((self->flags & FLAG_RESERVED) != 0)
        return corrupt(self, "reserved flags in gzip header");
    self->state = EXTRA_SIZE;
    return SL_OK;
}

/* RFC 1950 2.2: method 8, a window of at most 32 KiB, and a check that makes
 * the two bytes a multiple of 31. No encoder begins raw content like that: it
 * would be a stored block with padding that is not zero. */
static bool is_zlib(const unsigned char *field)
{
    return (field[0] & 0x0f) == 8 && field[0] >> 4 <= 7 &&
           (field[0] * 256 + field[1]) % 31 == 0;
}

static enum sl_status detect(struct gzip *self)
{
    if (is_zlib(self->field)) {
        if ((self->field[1] & 0x20) != 0)
            return corrupt(self, "zlib data needs a dictionary");
        self->format = ZLIB;
    } else {
        sl_engine_unread(self->base.engine,
                         sl_view((const char *)self->field, 2));
    }
    return begin_content(self);
}

static enum sl_status check_crc(struct gzip *self)
{
    if (little_32(self->field) != self->check)
        return corrupt(self, "gzip checksum does not match");
    if (little_32(self->field + 4) != self->size)
        return corrupt(self, "gzip size does not match");
    self->check = 0;
    self->has_member = true;
    self->state = MAGIC;
    return sl_engine_restart(self->base.engine);
}

static enum sl_status check_adler(struct gzip *self)
{
    if (big_32(self->field) != self->check)
        return corrupt(self, "zlib checksum does not match");
    self->state = NOTHING;
    return SL_OK;
}

/* ---- the content ---- */

static uint32_t sum(const struct gzip *self, struct sl_view bytes)
{
    switch (self->format) {
    case GZIP:
        return sl_crc32(self->check, bytes);
    case ZLIB:
        return (uint32_t)adler32_z(self->check, (const Bytef *)bytes.data,
                                   bytes.size);
    default:
        return 0; /* content alone has no checksum */
    }
}

static enum sl_status run_content(struct gzip *self, struct sl_buffer *input,
                                  struct sl_buffer *output, size_t limit)
{
    static const enum state behind[] = {
        [GZIP] = CRC, [ZLIB] = ADLER, [RAW] = NOTHING};
    struct sl_view produced;
    enum sl_status status = sl_engine_step(
        self->base.engine, input, output, limit, &produced, &self->base.reason);

    self->check = sum(self, produced);
    sl_engine_commit(self->base.engine, output, produced);
    self->size += (uint32_t)produced.size;
    if (status != SL_END)
        return status;
    self->state = behind[self->format];
    return SL_OK;
}

/* ---- the machine ---- */

static enum sl_status step(struct sl_decoder *decoder, struct sl_buffer *input,
                           struct sl_buffer *output, size_t limit)
{
    struct gzip *self = (struct gzip *)decoder;

    switch (self->state) {
    case MAGIC:
        if (begins_padding(self, input)) {
            self->state = PADDING;
            return SL_OK;
        }
        return take_field(self, input, 3) ? check_magic(self) : SL_AGAIN;
    case FIXED:
        return take_field(self, input, 7) ? check_fixed(self) : SL_AGAIN;
    case EXTRA_SIZE:
        self->skip = 0;
        if ((self->flags & FLAG_EXTRA) != 0) {
            if (!take_field(self, input, 2))
                return SL_AGAIN;
            self->skip = little_16(self->field);
        }
        self->state = EXTRA;
        return SL_OK;
    case EXTRA:
        if (!skip_bytes(self, input))
            return SL_AGAIN;
        self->state = NAME;
        return SL_OK;
    case NAME:
        if ((self->flags & FLAG_NAME) != 0 && !skip_text(self, input))
            return SL_AGAIN;
        self->state = COMMENT;
        return SL_OK;
    case COMMENT:
        if ((self->flags & FLAG_COMMENT) != 0 && !skip_text(self, input))
            return SL_AGAIN;
        self->state = HEADER_CHECK;
        return SL_OK;
    case HEADER_CHECK:
        if ((self->flags & FLAG_HEADER_CHECK) != 0) {
            if (!take_field(self, input, 2))
                return SL_AGAIN;
            if (little_16(self->field) != (self->check & 0xffff))
                return corrupt(self, "gzip header checksum does not match");
        }
        return begin_content(self);
    case DETECT:
        return take_field(self, input, 2) ? detect(self) : SL_AGAIN;
    case CONTENT:
        return run_content(self, input, output, limit);
    case CRC:
        return take_field(self, input, 8) ? check_crc(self) : SL_AGAIN;
    case PADDING:
        return skip_padding(self, input);
    case ADLER:
        return take_field(self, input, 4) ? check_adler(self) : SL_AGAIN;
    case NOTHING:
        if (sl_engine_peek(self->base.engine, input).size == 0)
            return SL_AGAIN;
        return corrupt(self, "data after the end of deflate data");
    }
    return SL_MISUSE; /* not reached: no other state */
}

static bool is_inside(const struct sl_decoder *decoder)
{
    return ((const struct gzip *)decoder)->state == CONTENT;
}

static bool is_complete(const struct sl_decoder *decoder)
{
    const struct gzip *self = (const struct gzip *)decoder;

    return self->field_size == 0 &&
           (self->state == MAGIC || self->state == PADDING ||
            self->state == DETECT || self->state == NOTHING);
}

const struct sl_format sl_format_gzip = {
    .size = sizeof(struct gzip),
    .start = start_gzip,
    .step = step,
    .is_inside = is_inside,
    .is_complete = is_complete,
};

const struct sl_format sl_format_deflate = {
    .size = sizeof(struct gzip),
    .start = start_deflate,
    .step = step,
    .is_inside = is_inside,
    .is_complete = is_complete,
};
