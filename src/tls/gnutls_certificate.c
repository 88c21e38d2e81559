#include "tls/gnutls_certificate.h"

#include <gnutls/abstract.h>
#include <stdio.h>
#include <time.h>

/* Longer names than a certificate has room for are not looked at. */
#define MOST_NAME_BYTES 1024

/* Text that is cut at its room but counted in full. */
struct text {
    char *data;
    size_t room;
    size_t size;
};

static void put(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text->size < text->room)
            text->data[text->size] = bytes[i];
        text->size++;
    }
}

static void put_string(struct text *text, const char *string)
{
    put(text, string, strlen(string));
}

/* As \\xHH what is not visible ASCII, and the bytes of `escaped`. */
static void put_escaped(struct text *text, const unsigned char *bytes,
                        size_t size, const char *escaped)
{
    for (size_t i = 0; i < size; i++) {
        char hex[8];

        if (bytes[i] >= ' ' && bytes[i] < 0x7f &&
            strchr(escaped, (char)bytes[i]) == NULL) {
            put(text, (const char *)&bytes[i], 1);
        } else {
            snprintf(hex, sizeof hex, "\\x%02x", bytes[i]);
            put_string(text, hex);
        }
    }
}

static void end_text(struct text *text)
{
    put(text, "", 1);
}

/* ---- parts ---- */

static void put_distinguished(struct text *text, gnutls_x509_crt_t certificate,
                              bool is_issuer)
{
    gnutls_datum_t name;
    int result = is_issuer
                     ? gnutls_x509_crt_get_issuer_dn3(certificate, &name, 0)
                     : gnutls_x509_crt_get_dn3(certificate, &name, 0);

    if (result < 0)
        return;
    put_escaped(text, name.data, name.size, "");
    gnutls_free(name.data);
}

static void put_address(struct text *text, const unsigned char *bytes,
                        size_t size)
{
    char part[8];

    for (size_t i = 0; size == 4 && i < 4; i++) {
        snprintf(part, sizeof part, "%s%d", i > 0 ? "." : "", bytes[i]);
        put_string(text, part);
    }
    for (size_t i = 0; size == 16 && i < 16; i += 2) {
        snprintf(part, sizeof part, "%s%x", i > 0 ? ":" : "",
                 (unsigned)(bytes[i] << 8 | bytes[i + 1]));
        put_string(text, part);
    }
    if (size != 4 && size != 16)
        put_string(text, "malformed");
}

/* The n-th alternative name; its kind, or negative at the end. */
static int read_name(gnutls_x509_crt_t certificate, unsigned n, char *bytes,
                     size_t *size)
{
    int kind;

    *size = MOST_NAME_BYTES;
    kind =
        gnutls_x509_crt_get_subject_alt_name(certificate, n, bytes, size, NULL);
    /* Some other name, which is none of a host's. */
    if (kind < 0 && kind != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return GNUTLS_SAN_OTHERNAME;
    return kind;
}

static void put_hosts(struct text *text, gnutls_x509_crt_t certificate)
{
    const char *separator = "";
    char bytes[MOST_NAME_BYTES];
    size_t size;
    int kind;

    for (unsigned i = 0; (kind = read_name(certificate, i, bytes, &size)) >= 0;
         i++) {
        const unsigned char *name = (const unsigned char *)bytes;

        if (kind != GNUTLS_SAN_DNSNAME && kind != GNUTLS_SAN_IPADDRESS)
            continue;
        put_string(text, separator);
        separator = ", ";
        put_string(text, kind == GNUTLS_SAN_DNSNAME ? "DNS:" : "IP:");
        if (kind == GNUTLS_SAN_DNSNAME)
            put_escaped(text, name, size, " ,\\");
        else
            put_address(text, name, size);
    }
}

static void put_time(struct text *text, time_t time)
{
    struct tm parts;
    char string[64];

    if (time == (time_t)-1 || gmtime_r(&time, &parts) == NULL) {
        put_string(text, "malformed");
        return;
    }
    strftime(string, sizeof string, "%Y-%m-%dT%H:%M:%SZ", &parts);
    put_string(text, string);
}

static void put_hex(struct text *text, const unsigned char *bytes, size_t size)
{
    char hex[4];

    for (size_t i = 0; i < size; i++) {
        snprintf(hex, sizeof hex, "%02x", bytes[i]);
        put_string(text, hex);
    }
}

bool sl_gnutls_certificate_pin(gnutls_x509_crt_t certificate,
                               unsigned char pin[SL_TLS_PIN_SIZE])
{
    gnutls_datum_t encoded = {NULL, 0};
    gnutls_pubkey_t key;
    bool is_done;

    if (gnutls_pubkey_init(&key) < 0)
        return false;
    is_done = gnutls_pubkey_import_x509(key, certificate, 0) == 0 &&
              gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &encoded) == 0;
    if (is_done) {
        size_t size = SL_TLS_PIN_SIZE;

        is_done =
            gnutls_fingerprint(GNUTLS_DIG_SHA256, &encoded, pin, &size) == 0;
    }
    gnutls_free(encoded.data);
    gnutls_pubkey_deinit(key);
    return is_done;
}

bool sl_gnutls_certificate_is_for(gnutls_x509_crt_t certificate,
                                  const struct sl_tls_peer *peer)
{
    char bytes[MOST_NAME_BYTES];
    size_t size;
    int kind;

    for (unsigned i = 0; (kind = read_name(certificate, i, bytes, &size)) >= 0;
         i++)
        if ((kind == GNUTLS_SAN_DNSNAME &&
             sl_tls_peer_has_name(peer, sl_view(bytes, size))) ||
            (kind == GNUTLS_SAN_IPADDRESS &&
             sl_tls_peer_has_address(peer, sl_view(bytes, size))))
            return true;
    return false;
}

/* ---- whole texts ---- */

static void put_all(struct text *text, gnutls_x509_crt_t certificate,
                    const unsigned char *digest, const unsigned char *pin)
{
    put_distinguished(text, certificate, false);
    end_text(text);
    put_distinguished(text, certificate, true);
    end_text(text);
    put_hosts(text, certificate);
    end_text(text);
    put_time(text, gnutls_x509_crt_get_activation_time(certificate));
    end_text(text);
    put_time(text, gnutls_x509_crt_get_expiration_time(certificate));
    end_text(text);
    put_hex(text, digest, 32);
    end_text(text);
    put_hex(text, pin, SL_TLS_PIN_SIZE);
    end_text(text);
}

static const char *next_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

enum sl_status sl_gnutls_texts_create(struct sl_allocator *allocator,
                                      gnutls_x509_crt_t certificate,
                                      struct sl_gnutls_texts **texts)
{
    unsigned char digest[32];
    unsigned char pin[SL_TLS_PIN_SIZE];
    size_t digest_size = sizeof digest;
    struct text text = {NULL, 0, 0};
    struct sl_gnutls_texts *made;
    const char *at;

    if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, digest,
                                        &digest_size) < 0 ||
        !sl_gnutls_certificate_pin(certificate, pin))
        return SL_MEMORY;
    put_all(&text, certificate, digest, pin); /* measures */
    made = sl_allocate_zeroed(allocator, sizeof *made + text.size);
    if (made == NULL)
        return SL_MEMORY;
    made->allocator = allocator;
    made->size = sizeof *made + text.size;
    text = (struct text){made->bytes, text.size, 0};
    put_all(&text, certificate, digest, pin);
    at = made->bytes;
    made->view.subject = next_text(&at);
    made->view.issuer = next_text(&at);
    made->view.names = next_text(&at);
    made->view.not_before = next_text(&at);
    made->view.not_after = next_text(&at);
    made->view.sha256 = next_text(&at);
    made->view.spki_sha256 = next_text(&at);
    *texts = made;
    return SL_OK;
}

void sl_gnutls_texts_destroy(struct sl_gnutls_texts *texts)
{
    if (texts != NULL)
        sl_free(texts->allocator, texts, texts->size);
}

/* ---- short forms ---- */

static const char *finish(struct text *text)
{
    if (text->size > text->room && text->room >= 3)
        memcpy(text->data + text->room - 3, "...", 3);
    text->data[text->size < text->room ? text->size : text->room] = '\0';
    return text->data;
}

const char *sl_gnutls_certificate_subject(gnutls_x509_crt_t certificate,
                                          char *text, size_t size)
{
    struct text made = {text, size - 1, 0};

    put_distinguished(&made, certificate, false);
    return finish(&made);
}

const char *sl_gnutls_certificate_issuer(gnutls_x509_crt_t certificate,
                                         char *text, size_t size)
{
    struct text made = {text, size - 1, 0};

    put_distinguished(&made, certificate, true);
    return finish(&made);
}

const char *sl_gnutls_certificate_hosts(gnutls_x509_crt_t certificate,
                                        char *text, size_t size)
{
    struct text made = {text, size - 1, 0};

    put_hosts(&made, certificate);
    return finish(&made);
}

const char *sl_gnutls_certificate_time(time_t time, char *text, size_t size)
{
    struct text made = {text, size - 1, 0};

    put_time(&made, time);
    return finish(&made);
}
