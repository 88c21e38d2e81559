#include "tls/openssl_certificate.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* ---- writing to a memory BIO; each answers whether all was written ---- */

static bool write_name(BIO *out, const X509_NAME *name)
{
    /* Escapes controls and all that is not ASCII. */
    return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0;
}

static bool write_escaped(BIO *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        char text[4] = {'\\', 'x', digits[bytes[i] >> 4],
                        digits[bytes[i] & 15]};
        bool is_plain = bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '\\' &&
                        bytes[i] != ',';

        if (is_plain ? BIO_write(out, bytes + i, 1) != 1
                     : BIO_write(out, text, sizeof text) != sizeof text)
            return false;
    }
    return true;
}

static bool write_address(BIO *out, const unsigned char *bytes, int size)
{
    if (size == 4)
        return BIO_printf(out, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2],
                          bytes[3]) > 0;
    if (size != 16)
        return BIO_printf(out, "malformed") > 0;
    for (int i = 0; i < size; i += 2)
        if (BIO_printf(out, "%s%x", i > 0 ? ":" : "",
                       (unsigned)(bytes[i] << 8 | bytes[i + 1])) <= 0)
            return false;
    return true;
}

static bool write_host(BIO *out, const GENERAL_NAME *name, bool *is_first)
{
    const char *separator = *is_first ? "" : ", ";
    const ASN1_STRING *value;
    int kind;

    value = GENERAL_NAME_get0_value(name, &kind);
    if (kind != GEN_DNS && kind != GEN_IPADD)
        return true;
    *is_first = false;
    if (kind == GEN_DNS)
        return BIO_printf(out, "%sDNS:", separator) > 0 &&
               write_escaped(out, ASN1_STRING_get0_data(value),
                             (size_t)ASN1_STRING_length(value));
    return BIO_printf(out, "%sIP:", separator) > 0 &&
           write_address(out, ASN1_STRING_get0_data(value),
                         ASN1_STRING_length(value));
}

static bool write_hosts(BIO *out, X509 *certificate)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_first = true;
    bool is_written = true;

    for (int i = 0; is_written && i < sk_GENERAL_NAME_num(names); i++)
        is_written =
            write_host(out, sk_GENERAL_NAME_value(names, i), &is_first);
    GENERAL_NAMES_free(names);
    return is_written;
}

static bool write_time(BIO *out, const ASN1_TIME *time)
{
    struct tm parts;

    if (!ASN1_TIME_to_tm(time, &parts))
        return BIO_printf(out, "malformed") > 0;
    return BIO_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                      parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                      parts.tm_hour, parts.tm_min, parts.tm_sec) > 0;
}

static bool write_hex(BIO *out, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (BIO_printf(out, "%02x", bytes[i]) != 2)
            return false;
    return true;
}

static bool end_text(BIO *out)
{
    return BIO_write(out, "", 1) == 1;
}

/* ---- whole texts ---- */

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

static bool write_texts(BIO *out, X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char pin[SL_TLS_PIN_SIZE];
    unsigned size;

    return X509_digest(certificate, EVP_sha256(), digest, &size) &&
           sl_openssl_certificate_pin(certificate, pin) &&
           write_name(out, X509_get_subject_name(certificate)) &&
           end_text(out) &&
           write_name(out, X509_get_issuer_name(certificate)) &&
           end_text(out) && write_hosts(out, certificate) && end_text(out) &&
           write_time(out, X509_get0_notBefore(certificate)) && end_text(out) &&
           write_time(out, X509_get0_notAfter(certificate)) && end_text(out) &&
           write_hex(out, digest, size) && end_text(out) &&
           write_hex(out, pin, sizeof pin) && end_text(out);
}

static const char *next_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

enum sl_status sl_openssl_texts_create(struct sl_allocator *allocator,
                                       X509 *certificate,
                                       struct sl_openssl_texts **texts)
{
    BIO *out = BIO_new(BIO_s_mem());
    struct sl_openssl_texts *made = NULL;
    const char *at;
    char *bytes;
    long size;

    if (out != NULL && write_texts(out, certificate)) {
        size = BIO_get_mem_data(out, &bytes);
        made = sl_allocate_zeroed(allocator, sizeof *made + (size_t)size);
    }
    if (made != NULL &&
        !X509_digest(certificate, EVP_sha256(), made->digest, NULL)) {
        sl_free(allocator, made, sizeof *made + (size_t)size);
        made = NULL;
    }
    if (made != NULL) {
        made->allocator = allocator;
        made->refs = 1;
        made->size = sizeof *made + (size_t)size;
        memcpy(made->bytes, bytes, (size_t)size);
        at = made->bytes;
        made->view.subject = next_text(&at);
        made->view.issuer = next_text(&at);
        made->view.names = next_text(&at);
        made->view.not_before = next_text(&at);
        made->view.not_after = next_text(&at);
        made->view.sha256 = next_text(&at);
        made->view.spki_sha256 = next_text(&at);
        *texts = made;
    }
    BIO_free(out);
    return made != NULL ? SL_OK : SL_MEMORY;
}

void sl_openssl_texts_release(struct sl_openssl_texts *texts)
{
    if (texts != NULL && --texts->refs == 0)
        sl_free(texts->allocator, texts, texts->size);
}

/* ---- short forms ---- */

static const char *finish(BIO *out, bool is_written, char *text, size_t size)
{
    char *bytes = NULL;
    long length = is_written ? BIO_get_mem_data(out, &bytes) : 0;

    snprintf(text, size, "%.*s", (int)length, length > 0 ? bytes : "");
    if (!is_written)
        snprintf(text, size, "(out of memory)");
    else if ((size_t)length >= size && size > 4)
        memcpy(text + size - 4, "...", 4);
    BIO_free(out);
    return text;
}

const char *sl_openssl_certificate_name(const X509_NAME *name, char *text,
                                        size_t size)
{
    BIO *out = BIO_new(BIO_s_mem());

    return finish(out, out != NULL && write_name(out, name), text, size);
}

const char *sl_openssl_certificate_hosts(X509 *certificate, char *text,
                                         size_t size)
{
    BIO *out = BIO_new(BIO_s_mem());

    return finish(out, out != NULL && write_hosts(out, certificate), text,
                  size);
}

const char *sl_openssl_certificate_time(const ASN1_TIME *time, char *text,
                                        size_t size)
{
    BIO *out = BIO_new(BIO_s_mem());

    return finish(out, out != NULL && write_time(out, time), text, size);
}
