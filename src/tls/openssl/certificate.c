#include "tls/openssl/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* ---- parts; false: out of memory ---- */

static bool put_name(struct sl_tls_text *text, const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes;
    /* Escapes controls and all that is not ASCII. */
    bool is_written =
        out != NULL && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0;

    if (is_written) {
        long size = BIO_get_mem_data(out, &bytes);

        sl_tls_text_put(text, sl_view(bytes, (size_t)size));
    }
    BIO_free(out);
    return is_written;
}

static void put_hosts(struct sl_tls_text *text, X509 *certificate)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_first = true;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int kind;
        const ASN1_STRING *value =
            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        struct sl_view bytes;

        if (kind != GEN_DNS && kind != GEN_IPADD)
            continue;
        bytes = sl_view((const char *)ASN1_STRING_get0_data(value),
                        (size_t)ASN1_STRING_length(value));
        if (kind == GEN_DNS)
            sl_tls_text_put_name(text, bytes, is_first);
        else
            sl_tls_text_put_address(text, bytes, is_first);
        is_first = false;
    }
    GENERAL_NAMES_free(names);
}

static void put_time(struct sl_tls_text *text, const ASN1_TIME *time)
{
    struct tm parts;

    sl_tls_text_put_time(text, ASN1_TIME_to_tm(time, &parts) ? &parts : NULL);
}

bool sl_openssl_certificate_pin(X509 *certificate,
                                unsigned char pin[SL_TLS_PIN_SIZE])
{
    unsigned char *encoded = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
    bool is_done = size > 0 && EVP_Digest(encoded, (size_t)size, pin, NULL,
                                          EVP_sha256(), NULL);

    OPENSSL_free(encoded);
    return is_done;
}

/* ---- whole texts ---- */

static bool write_texts(struct sl_tls_text *text, void *argument)
{
    X509 *certificate = argument;

    if (!put_name(text, X509_get_subject_name(certificate)))
        return false;
    sl_tls_text_end(text);
    if (!put_name(text, X509_get_issuer_name(certificate)))
        return false;
    sl_tls_text_end(text);
    put_hosts(text, certificate);
    sl_tls_text_end(text);
    put_time(text, X509_get0_notBefore(certificate));
    sl_tls_text_end(text);
    put_time(text, X509_get0_notAfter(certificate));
    sl_tls_text_end(text);
    return true;
}

enum sl_status sl_openssl_certificate_texts(struct sl_allocator *allocator,
                                            X509 *certificate,
                                            struct sl_tls_texts **texts)
{
    struct sl_tls_digests digests;

    if (!X509_digest(certificate, EVP_sha256(), digests.certificate, NULL) ||
        !sl_openssl_certificate_pin(certificate, digests.key))
        return SL_MEMORY;
    return sl_tls_texts_create(allocator, &digests, write_texts, certificate,
                               texts);
}

/* ---- short forms ---- */

const char *sl_openssl_certificate_name(const X509_NAME *name, char *text,
                                        size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    if (!put_name(&made, name))
        sl_tls_text_put(&made, SL_VIEW("(out of memory)"));
    return sl_tls_text_finish(&made);
}

const char *sl_openssl_certificate_hosts(X509 *certificate, char *text,
                                         size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_hosts(&made, certificate);
    return sl_tls_text_finish(&made);
}

const char *sl_openssl_certificate_time(const ASN1_TIME *time, char *text,
                                        size_t size)
{
    struct sl_tls_text made = sl_tls_text_begin(text, size);

    put_time(&made, time);
    return sl_tls_text_finish(&made);
}
