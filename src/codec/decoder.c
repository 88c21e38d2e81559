#include "codec/decoder.h"

#include "base/ascii.h"
#include "codec/codings.h"
#include "codec/engine.h"

/* ISA-L decodes the same data some three times as fast as zlib. */
#ifdef SL_HAVE_ISAL
#define GZIP    sl_coding_gzip_isal
#define DEFLATE sl_coding_deflate_isal
#define INFLATE sl_engine_isal
#else
#define GZIP    sl_coding_gzip_zlib
#define DEFLATE sl_coding_deflate_zlib
#define INFLATE sl_engine_inflate
#endif
#ifdef SL_HAVE_BROTLI
#define BROTLI          &sl_coding_brotli,
#define ACCEPTED_BROTLI ", br"
#else
#define BROTLI
#define ACCEPTED_BROTLI ""
#endif
#ifdef SL_HAVE_ZSTD
#define ZSTD          &sl_coding_zstd,
#define ACCEPTED_ZSTD ", zstd"
#else
#define ZSTD
#define ACCEPTED_ZSTD ""
#endif

static const struct sl_decoder_class *const classes[] = {&GZIP, &DEFLATE,
                                                         BROTLI ZSTD NULL};

const struct sl_engine_class *const sl_decoder_inflate = &INFLATE;

const char *sl_decoder_accepted(void)
{
    return "gzip, deflate" ACCEPTED_BROTLI ACCEPTED_ZSTD;
}

static bool is_name(struct sl_view coding, const char *name)
{
    return sl_equal_ignoring_case(coding, sl_view(name, strlen(name)));
}

static bool is_named(struct sl_view coding,
                     const struct sl_decoder_class *class)
{
    const char *const *alias = class->aliases;

    if (is_name(coding, class->name))
        return true;
    for (; alias != NULL && *alias != NULL; alias++) {
        if (is_name(coding, *alias))
            return true;
    }
    return false;
}

const struct sl_decoder_class *sl_decoder_find(struct sl_view coding)
{
    const struct sl_decoder_class *const *class = classes;

    while (*class != NULL && !is_named(coding, *class))
        class ++;
    return *class;
}

/* ---- life ---- */

static void start(struct sl_decoder *decoder)
{
    decoder->failed = SL_OK;
    decoder->reason = NULL;
    decoder->class->format->start(decoder);
}

static void destroy(struct sl_decoder *decoder)
{
    sl_engine_destroy(decoder->engine);
    sl_free(decoder->shelf->allocator, decoder, decoder->class->format->size);
}

static enum sl_status create(const struct sl_decoder_class *class,
                             struct sl_decoder_shelf *shelf,
                             struct sl_decoder **decoder)
{
    struct sl_allocator *allocator = shelf->allocator;
    struct sl_decoder *self =
        sl_allocate_zeroed(allocator, class->format->size);
    enum sl_status status;

    if (self == NULL)
        return SL_MEMORY;
    status = sl_engine_create(class->engine, allocator, &self->engine);
    if (status != SL_OK) {
        sl_free(allocator, self, class->format->size);
        return status;
    }
    self->class = class;
    self->shelf = shelf;
    start(self);
    *decoder = self;
    return SL_OK;
}

enum sl_status sl_decoder_rent(const struct sl_decoder_class *class,
                               struct sl_decoder_shelf *shelf,
                               struct sl_decoder **decoder)
{
    struct sl_decoder **link = &shelf->idle;

    while (*link != NULL && (*link)->class != class)
        link = &(*link)->next;
    if (*link == NULL)
        return create(class, shelf, decoder);
    *decoder = *link;
    *link = (*decoder)->next;
    (*decoder)->next = NULL;
    return SL_OK;
}

/* The list is newest first, so decoders behind the limit were used longest
 * ago. */
static void drop_after(struct sl_decoder **link, size_t keep)
{
    while (*link != NULL && keep > 0) {
        link = &(*link)->next;
        keep--;
    }
    while (*link != NULL) {
        struct sl_decoder *decoder = *link;

        *link = decoder->next;
        destroy(decoder);
    }
}

void sl_decoder_release(struct sl_decoder *decoder)
{
    struct sl_decoder_shelf *shelf;

    if (decoder == NULL)
        return;
    if (sl_is_failure(sl_engine_reset(decoder->engine))) {
        destroy(decoder);
        return;
    }
    start(decoder);
    shelf = decoder->shelf;
    decoder->next = shelf->idle;
    shelf->idle = decoder;
    drop_after(&shelf->idle, SL_DECODER_IDLE);
}

void sl_decoder_shelf_init(struct sl_decoder_shelf *shelf,
                           struct sl_allocator *allocator)
{
    shelf->allocator = allocator;
    shelf->idle = NULL;
}

void sl_decoder_shelf_fini(struct sl_decoder_shelf *shelf)
{
    drop_after(&shelf->idle, 0);
}

/* ---- decoding ---- */

/* Answers with the failure that the decoder is left with. */
static enum sl_status tell(const struct sl_decoder *decoder, const char **error)
{
    if (decoder->reason != NULL)
        *error = decoder->reason;
    else
        *error =
            decoder->failed == SL_LIMIT ? "the pool is full" : "out of memory";
    return decoder->failed;
}

enum sl_status sl_decoder_decode(struct sl_decoder *decoder,
                                 struct sl_buffer *input,
                                 struct sl_buffer *output, size_t room,
                                 const char **error)
{
    const struct sl_format *format = decoder->class->format;
    size_t before = output->length;
    enum sl_status status = decoder->failed;

    sl_assert(room > 0);
    while (status == SL_OK) {
        size_t grown = output->length - before;

        if (grown >= room && format->is_inside(decoder))
            return SL_OK;
        status = format->step(decoder, input, output, room - grown);
    }
    if (!sl_is_failure(status))
        return status;
    decoder->failed = status;
    return tell(decoder, error);
}

enum sl_status sl_decoder_finish(struct sl_decoder *decoder, const char **error)
{
    if (decoder->failed == SL_OK) {
        if (decoder->class->format->is_complete(decoder))
            return SL_END;
        decoder->failed = SL_DECODE;
        decoder->reason = "compressed data is truncated";
    }
    return tell(decoder, error);
}
