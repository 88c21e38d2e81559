#include "tls/text.h"

#include <stdio.h>

void sl_tls_text_put(struct sl_tls_text *text, struct sl_view bytes)
{
    size_t left = text->size < text->room ? text->room - text->size : 0;
    size_t size = bytes.size < left ? bytes.size : left;

    if (size > 0)
        memcpy(text->data + text->size, bytes.data, size);
    text->size += bytes.size;
}

static void put_string(struct sl_tls_text *text, const char *string)
{
    sl_tls_text_put(text, sl_view(string, strlen(string)));
}

void sl_tls_text_put_escaped(struct sl_tls_text *text, struct sl_view bytes,
                             const char *escaped)
{
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        char hex[8];

        if (byte >= ' ' && byte < 0x7f && strchr(escaped, byte) == NULL) {
            sl_tls_text_put(text, sl_view(bytes.data + i, 1));
        } else {
            snprintf(hex, sizeof hex, "\\x%02x", byte);
            put_string(text, hex);
        }
    }
}

void sl_tls_text_put_name(struct sl_tls_text *text, struct sl_view name,
                          bool is_first)
{
    put_string(text, is_first ? "DNS:" : ", DNS:");
    sl_tls_text_put_escaped(text, name, " ,\\");
}

void sl_tls_text_put_address(struct sl_tls_text *text, struct sl_view address,
                             bool is_first)
{
    const unsigned char *bytes = (const unsigned char *)address.data;
    char part[8];

    put_string(text, is_first ? "IP:" : ", IP:");
    for (size_t i = 0; address.size == 4 && i < 4; i++) {
        snprintf(part, sizeof part, "%s%d", i > 0 ? "." : "", bytes[i]);
        put_string(text, part);
    }
    for (size_t i = 0; address.size == 16 && i < 16; i += 2) {
        snprintf(part, sizeof part, "%s%x", i > 0 ? ":" : "",
                 (unsigned)(bytes[i] << 8 | bytes[i + 1]));
        put_string(text, part);
    }
    if (address.size != 4 && address.size != 16)
        put_string(text, "malformed");
}

void sl_tls_text_put_time(struct sl_tls_text *text, const struct tm *time)
{
    char string[64];

    if (time == NULL ||
        strftime(string, sizeof string, "%Y-%m-%dT%H:%M:%SZ", time) == 0)
        put_string(text, "malformed");
    else
        put_string(text, string);
}

void sl_tls_text_put_hex(struct sl_tls_text *text, struct sl_view bytes)
{
    char hex[4];

    for (size_t i = 0; i < bytes.size; i++) {
        snprintf(hex, sizeof hex, "%02x", (unsigned char)bytes.data[i]);
        put_string(text, hex);
    }
}

void sl_tls_text_end(struct sl_tls_text *text)
{
    sl_tls_text_put(text, sl_view("", 1));
}

struct sl_tls_text sl_tls_text_begin(char *data, size_t size)
{
    struct sl_tls_text text = {data, size - 1, 0};

    return text;
}

const char *sl_tls_text_finish(struct sl_tls_text *text)
{
    bool is_cut = text->size > text->room;

    if (is_cut && text->room > 3)
        memcpy(text->data + text->room - 3, "...", 3);
    text->data[is_cut ? text->room : text->size] = '\0';
    return text->data;
}

/* ---- all texts ---- */

static const char *next_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

static void find_texts(struct sl_tls_texts *texts)
{
    const char *at = texts->bytes;

    texts->view.subject = next_text(&at);
    texts->view.issuer = next_text(&at);
    texts->view.names = next_text(&at);
    texts->view.not_before = next_text(&at);
    texts->view.not_after = next_text(&at);
    texts->view.sha256 = next_text(&at);
    texts->view.spki_sha256 = next_text(&at);
}

/* The text of a digest, and its end. */
static void put_digest(struct sl_tls_text *text, const unsigned char *digest,
                       size_t size)
{
    sl_tls_text_put_hex(text, sl_view((const char *)digest, size));
    sl_tls_text_end(text);
}

static void put_digests(struct sl_tls_text *text,
                        const struct sl_tls_digests *digests)
{
    put_digest(text, digests->certificate, sizeof digests->certificate);
    put_digest(text, digests->key, sizeof digests->key);
}

enum sl_status sl_tls_texts_create(struct sl_allocator *allocator,
                                   const struct sl_tls_digests *digests,
                                   bool (*write)(struct sl_tls_text *text,
                                                 void *argument),
                                   void *argument, struct sl_tls_texts **texts)
{
    struct sl_tls_text measure = {NULL, 0, 0};
    struct sl_tls_text text;
    struct sl_tls_texts *made;

    if (!write(&measure, argument))
        return SL_MEMORY;
    put_digests(&measure, digests);
    made = sl_allocate_zeroed(allocator, sizeof *made + measure.size);
    if (made == NULL)
        return SL_MEMORY;
    made->allocator = allocator;
    made->refs = 1;
    made->size = sizeof *made + measure.size;
    memcpy(made->digest, digests->certificate, sizeof made->digest);
    text = (struct sl_tls_text){made->bytes, measure.size, 0};
    if (write(&text, argument))
        put_digests(&text, digests);
    if (text.size != measure.size) {
        sl_tls_texts_release(made);
        return SL_MEMORY;
    }
    find_texts(made);
    *texts = made;
    return SL_OK;
}

void sl_tls_texts_release(struct sl_tls_texts *texts)
{
    if (texts != NULL && --texts->refs == 0)
        sl_free(texts->allocator, texts, texts->size);
}
