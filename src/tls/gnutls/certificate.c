#include "tls/gnutls/certificate.h"

#include <gnutls/abstract.h>
#include <time.h>

/* Longer names than a certificate has room for are not looked at. */
#define MOST_NAME_BYTES 1024

/* ---- parts ---- */

static void put_distinguished(struct sl_tls_text *text,
                              gnutls_x509_crt_t certificate, bool is_issuer)
{
    gnutls_datum_t name;
    int result = is_issuer
                     ? gnutls_x509_crt_get_issuer_dn3(certificate, &name, 0)
                     : gnutls_x509_crt_get_dn3(certificate, &name, 0);

    if (result < 0)
        return;
    sl_tls_text_put_escaped(text, sl_view((const char *)name.data, name.size),
                            "");
    gnutls_free(name.data);
}

/* Reads the n-th alternative name. Answers its kind; negative: the end. */
static int read_name(gnutls_x509_crt_t certificate, unsigned n, char *bytes,
                     size_t *size)
{
    int kind;

    *size = MOST_NAME_BYTES;
    kind =
        gnutls_x509_crt_get_subject_alt_name(certificate, n, bytes, size, NULL);
    /* A name of another kind, which cannot be a host's. */
    if (kind < 0 && kind != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return GNUTLS_SAN_OTHERNAME;
    return kind;
}

static void put_hosts(struct sl_tls_text *text, gnutls_x509_crt_t certificate)
{
    bool is_first = true;
    char bytes[MOST_NAME_BYTES];
    size_t size;
    int kind;

    for (unsigned i = 0; (kind = read_name(certificate, i, bytes, &size)) >= 0;
         i++) {
        if (kind == GNUTLS_SAN_DNSNAME)
            sl_tls_text_put_name(text, sl_view(bytes, size), is_first);
        else if (kind == GNUTLS_SAN_IPADDRESS)
            sl_tls_text_put_address(text, sl_view(bytes, size), is_first);
        else
            continue;
        is_first = false;
    }
}

static void put_time(struct sl_tls_text *text, time_t time)
{
    struct tm parts;
    bool is_good = time != (time_t)-1 && gmtime_r(&time, &parts) != NULL;

    sl_tls_text_put_time(text, is_good ? &parts : NULL);
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

static bool write_texts(struct sl_tls_text *text, void *argument)
{
    gnutls_x509_crt_t certificate = argument;

    put_distinguished(text, certificate, false);
    sl_tls_text_end(text);
    put_distinguished(text, certificate, true);
    sl_tls_text_end(text);
    put_hosts(text, certificate);
    sl_tls_text_end(text);
    put_time(text, gnutls_x509_crt_get_activation_time(certificate));
    sl_tls_text_end(text);
    put_time(text, gnutls_x509_crt_get_expiration_time(certificate));
    sl_tls_text_end(text);
    return true;
}

enum sl_status sl_gnutls_certificate_texts(struct sl_allocator *allocator,
                                           gnutls_x509_crt_t certificate,
                                           struct sl_tls_texts **texts)
{
    struct sl_tls_digests digests;
    size_t size = sizeof digests.certificate;

    if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256,
                                        digests.certificate, &size) < 0 ||
        !sl_gnutls_certificate_pin(certificate, digests.key))
        return SL_MEMORY;
    return sl_tls_texts_create(allocator, &digests, write_texts, certificate,
                               texts);
}

/* ---- short forms ---- */

const char *sl_gnutls_certificate_subject(gnutls_x509_crt_t certificate,
                                          char *text, size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_distinguished(&made, certificate, false);
    return sl_tls_text_finish(&made);
}

const char *sl_gnutls_certificate_issuer(gnutls_x509_crt_t certificate,
                                         char *text, size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_distinguished(&made, certificate, true);
    return sl_tls_text_finish(&made);
}

const char *sl_gnutls_certificate_hosts(gnutls_x509_crt_t certificate,
                                        char *text, size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_hosts(&made, certificate);
    return sl_tls_text_finish(&made);
}

const char *sl_gnutls_certificate_time(time_t time, char *text, size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_time(&made, time);
    return sl_tls_text_finish(&made);
}
