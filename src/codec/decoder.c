#include "codec/decoder.h"

#include "codec/codings.h"

/* ISA-L decodes the same data some three times as fast as zlib. */
#ifdef SL_HAVE_ISAL
#define GZIP    sl_coding_gzip_isal
#define DEFLATE sl_coding_deflate_isal
#else
#define GZIP    sl_coding_gzip_zlib
#define DEFLATE sl_coding_deflate_zlib
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

const char *sl_decoder_accepted(void)
{
    return "gzip, deflate" ACCEPTED_BROTLI ACCEPTED_ZSTD;
}

/* Not tolower: content codings are ASCII whatever the locale says. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name(struct sl_view coding, const char *name)
{
    size_t i;

    for (i = 0; i < coding.size; i++) {
        if (name[i] == '\0' || lower(coding.data[i]) != name[i])
            return false;
    }
    return name[i] == '\0';
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

enum sl_status sl_decoder_rent(const struct sl_decoder_class *class,
                               struct sl_pool *pool,
                               struct sl_decoder **decoder)
{
    struct sl_decoder **link = &pool->idle_decoders;

    while (*link != NULL && (*link)->class != class)
        link = &(*link)->next;
    if (*link == NULL)
        return class->create(class, pool, decoder);
    *decoder = *link;
    *link = (*decoder)->next;
    (*decoder)->next = NULL;
    return SL_OK;
}

/* Newest first, so what lies behind the limit was used longest ago. */
static void drop_after(struct sl_decoder **link, size_t keep)
{
    while (*link != NULL && keep > 0) {
        link = &(*link)->next;
        keep--;
    }
    while (*link != NULL) {
        struct sl_decoder *decoder = *link;

        *link = decoder->next;
        decoder->class->destroy(decoder);
    }
}

void sl_decoder_release(struct sl_decoder *decoder)
{
    struct sl_pool *pool;

    if (decoder == NULL)
        return;
    if (sl_is_failure(decoder->class->reset(decoder))) {
        decoder->class->destroy(decoder);
        return;
    }
    pool = decoder->pool;
    decoder->next = pool->idle_decoders;
    pool->idle_decoders = decoder;
    drop_after(&pool->idle_decoders, SL_DECODER_IDLE);
}

void sl_decoder_drop_idle(struct sl_pool *pool)
{
    drop_after(&pool->idle_decoders, 0);
}
