#include "http/decoding.h"

/* What the outer of two decoders makes in one go. */
#define LAYER_ROOM ((size_t)16 * 1024)

static size_t count_of(const struct sl_decoding *decoding)
{
    size_t count = 0;

    while (count < SL_CODINGS && decoding->decoders[count] != NULL)
        count++;
    return count;
}

/* Finds decoders. With an unknown coding the whole body stays coded. */
static bool find_decoders(const struct sl_content_codings *codings,
                          const struct sl_decoder_class **classes)
{
    size_t i;

    for (i = 0; i < codings->count; i++) {
        classes[i] = sl_decoder_find(codings->names[i]);
        if (classes[i] == NULL)
            return false;
    }
    return codings->count > 0;
}

enum sl_status sl_decoding_start(struct sl_decoding *decoding,
                                 const struct sl_content_codings *codings,
                                 struct sl_decoder_shelf *shelf,
                                 struct sl_pool *pool)
{
    const struct sl_decoder_class *classes[SL_CODINGS];
    size_t i;

    if (!find_decoders(codings, classes))
        return SL_OK;
    if (codings->has_many)
        return SL_DECODE;
    for (i = 0; i < codings->count; i++) {
        struct sl_decoder *decoder;
        enum sl_status status = sl_decoder_rent(classes[i], shelf, &decoder);

        if (status != SL_OK) {
            sl_decoding_fini(decoding);
            return status;
        }
        sl_buffer_init(&decoder->input, pool, SIZE_MAX);
        decoding->decoders[i] = decoder;
    }
    return SL_OK;
}

void sl_decoding_fini(struct sl_decoding *decoding)
{
    size_t count = count_of(decoding);
    size_t i;

    for (i = 0; i < count; i++) {
        sl_buffer_fini(&decoding->decoders[i]->input);
        sl_decoder_release(decoding->decoders[i]);
        decoding->decoders[i] = NULL;
    }
}

/* Decodes into `body` at most `room` bytes more. SL_OK: it has grown by that.
 * SL_AGAIN: all input is used. */
static enum sl_status decode_last(struct sl_decoder *decoder,
                                  struct sl_buffer *body, size_t room,
                                  const char **error)
{
    struct sl_buffer nothing;
    enum sl_status status;

    if (room > 0)
        return sl_decoder_decode(decoder, &decoder->input, body, room, error);
    /* the limit is reached: only the end may follow, not one byte more */
    sl_buffer_init(&nothing, body->pool, 0);
    status = sl_decoder_decode(decoder, &decoder->input, &nothing, 1, error);
    sl_buffer_fini(&nothing);
    if (status == SL_LIMIT)
        *error = NULL;
    return status;
}

enum sl_status sl_decoding_pump(struct sl_decoding *decoding,
                                struct sl_buffer *body, size_t window,
                                uint64_t most, const char **error)
{
    size_t last = count_of(decoding) - 1;
    struct sl_decoder *outer = decoding->decoders[0];
    struct sl_buffer *inner = &decoding->decoders[last]->input;
    enum sl_status status;

    while (body->length < window) {
        size_t before = body->length;
        size_t room = window - before;

        if (room > most)
            room = (size_t)most;
        status = decode_last(decoding->decoders[last], body, room, error);
        most -= body->length - before;
        if (sl_is_failure(status))
            return status;
        if (status == SL_OK)
            continue;
        if (last == 0)
            return SL_AGAIN;
        status =
            sl_decoder_decode(outer, &outer->input, inner, LAYER_ROOM, error);
        if (sl_is_failure(status))
            return status;
        if (status == SL_AGAIN && inner->length == 0)
            return SL_AGAIN;
    }
    return SL_OK;
}

enum sl_status sl_decoding_finish(struct sl_decoding *decoding,
                                  const char **error)
{
    size_t count = count_of(decoding);
    size_t i;

    for (i = 0; i < count; i++) {
        enum sl_status status = sl_decoder_finish(decoding->decoders[i], error);

        if (sl_is_failure(status))
            return status;
    }
    return SL_OK;
}
