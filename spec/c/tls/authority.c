#include "spec/c/tls/authority.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>

static void must(bool held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "authority: cannot %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

static EVP_PKEY *make_key(const struct wish *wish)
{
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(
        wish->rsa_bits > 0 ? EVP_PKEY_RSA : EVP_PKEY_EC, NULL);
    int curve = wish->curve != 0 ? wish->curve : NID_X9_62_prime256v1;
    EVP_PKEY *key = NULL;

    must(maker != NULL && EVP_PKEY_keygen_init(maker) == 1, "begin a key");
    if (wish->rsa_bits > 0)
        must(EVP_PKEY_CTX_set_rsa_keygen_bits(maker, wish->rsa_bits) == 1,
             "choose a key's size");
    else
        must(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker, curve) == 1,
             "choose a curve");
    must(EVP_PKEY_keygen(maker, &key) == 1, "make a key");
    EVP_PKEY_CTX_free(maker);
    return key;
}

static void extend(X509 *certificate, X509 *issuer, int kind, const char *text)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    if (text == NULL)
        return;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, (char *)text);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1,
         text);
    X509_EXTENSION_free(extension);
}

static void add_raw_name(X509 *certificate, const char *bytes, size_t size)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    must(names != NULL && name != NULL && value != NULL &&
             ASN1_STRING_set(value, bytes, (int)size) == 1,
         "make a name");
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    must(sk_GENERAL_NAME_push(names, name) > 0 &&
             X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
                               X509V3_ADD_DEFAULT) == 1,
         "add a raw name");
    GENERAL_NAMES_free(names);
}

static void add_unknown(X509 *certificate, const char *hex)
{
    long size = 0;
    unsigned char *bytes = OPENSSL_hexstr2buf(hex, &size);
    ASN1_OBJECT *kind = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    must(bytes != NULL && kind != NULL && value != NULL &&
             ASN1_OCTET_STRING_set(value, bytes, (int)size) == 1,
         "make an unknown extension");
    extension = X509_EXTENSION_create_by_OBJ(NULL, kind, 1, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1,
         "add an unknown extension");
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(kind);
    OPENSSL_free(bytes);
}

static void describe(X509 *certificate, const struct wish *wish, X509 *issuer)
{
    char constraints[64];

    if (wish->is_authority) {
        snprintf(constraints, sizeof constraints, "critical,CA:TRUE%s%s",
                 wish->path_length != NULL ? ",pathlen:" : "",
                 wish->path_length != NULL ? wish->path_length : "");
        extend(certificate, issuer, NID_basic_constraints, constraints);
    }
    if (wish->is_not_authority)
        extend(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    extend(certificate, issuer, NID_subject_key_identifier, "hash");
    extend(certificate, issuer, NID_authority_key_identifier, "keyid");
    extend(certificate, issuer, NID_subject_alt_name, wish->names);
    extend(certificate, issuer, NID_key_usage, wish->usage);
    extend(certificate, issuer, NID_ext_key_usage, wish->extended_usage);
    extend(certificate, issuer, NID_name_constraints, wish->constraints);
    if (wish->raw_name != NULL)
        add_raw_name(certificate, wish->raw_name, wish->raw_name_size);
    if (wish->critical_unknown != NULL)
        add_unknown(certificate, wish->critical_unknown);
}

static void spoil(X509 *certificate)
{
    const ASN1_BIT_STRING *signature;

    X509_get0_signature(&signature, NULL, certificate);
    /* The last byte is of an integer, whatever the algorithm. */
    ((ASN1_BIT_STRING *)(uintptr_t)signature)->data[signature->length - 1] ^= 1;
}

struct issued authority_issue(const struct wish *wish)
{
    static long serial = 1;
    struct issued made = {X509_new(), make_key(wish)};
    X509 *issuer =
        wish->issuer != NULL ? wish->issuer->certificate : made.certificate;
    EVP_PKEY *signer = wish->issuer != NULL ? wish->issuer->key : made.key;
    const EVP_MD *hash =
        EVP_get_digestbynid(wish->hash != 0 ? wish->hash : NID_sha256);
    const char *common_name =
        wish->common_name != NULL ? wish->common_name : "leaf";
    X509_NAME *subject;

    must(made.certificate != NULL, "make a certificate");
    if (wish->other_signer != NULL)
        signer = (EVP_PKEY *)(uintptr_t)wish->other_signer;
    subject = X509_get_subject_name(made.certificate);
    must(X509_set_version(made.certificate, 2) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(made.certificate),
                              serial++) == 1 &&
             X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                        (const unsigned char *)common_name, -1,
                                        -1, 0) == 1 &&
             X509_set_issuer_name(made.certificate,
                                  X509_get_subject_name(issuer)) == 1 &&
             X509_set_pubkey(made.certificate, made.key) == 1,
         "fill a certificate");
    must(X509_gmtime_adj(X509_getm_notBefore(made.certificate),
                         wish->from != 0 ? wish->from : -86400) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(made.certificate),
                             wish->until != 0 ? wish->until : 86400) != NULL,
         "date a certificate");
    describe(made.certificate, wish, issuer);
    must(X509_sign(made.certificate, signer, hash) > 0, "sign a certificate");
    if (wish->has_bad_signature)
        spoil(made.certificate);
    return made;
}

void authority_forget(struct issued *issued)
{
    X509_free(issued->certificate);
    EVP_PKEY_free(issued->key);
    issued->certificate = NULL;
    issued->key = NULL;
}

X509_CRL *authority_revoke(const struct issued *issuer, const X509 *revoked,
                           long from, long until)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *begin = X509_gmtime_adj(NULL, from);
    ASN1_TIME *end = X509_gmtime_adj(NULL, until);

    must(list != NULL && begin != NULL && end != NULL &&
             X509_CRL_set_version(list, 1) == 1 &&
             X509_CRL_set_issuer_name(
                 list, X509_get_subject_name(issuer->certificate)) == 1 &&
             X509_CRL_set1_lastUpdate(list, begin) == 1 &&
             X509_CRL_set1_nextUpdate(list, end) == 1,
         "fill a revocation list");
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();

        must(entry != NULL &&
                 X509_REVOKED_set_serialNumber(
                     entry, (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(
                                revoked)) == 1 &&
                 X509_REVOKED_set_revocationDate(entry, begin) == 1 &&
                 X509_CRL_add0_revoked(list, entry) == 1,
             "revoke a certificate");
    }
    X509_CRL_sort(list);
    must(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0,
         "sign a revocation list");
    ASN1_TIME_free(begin);
    ASN1_TIME_free(end);
    return list;
}

/* ---- texts ---- */

static char *take_text(BIO *out)
{
    char *bytes;
    long size = BIO_get_mem_data(out, &bytes);
    char *text = strndup(bytes, (size_t)size);

    must(text != NULL, "copy a text");
    BIO_free(out);
    return text;
}

char *authority_pem(X509 *certificate)
{
    BIO *out = BIO_new(BIO_s_mem());

    must(PEM_write_bio_X509(out, certificate) == 1, "write a certificate");
    return take_text(out);
}

char *authority_key_pem(EVP_PKEY *key, const char *password)
{
    BIO *out = BIO_new(BIO_s_mem());

    must(PEM_write_bio_PKCS8PrivateKey(
             out, key, password != NULL ? EVP_aes_128_cbc() : NULL, password,
             password != NULL ? (int)strlen(password) : 0, NULL, NULL) == 1,
         "write a key");
    return take_text(out);
}

char *authority_crl_pem(X509_CRL *list)
{
    BIO *out = BIO_new(BIO_s_mem());

    must(PEM_write_bio_X509_CRL(out, list) == 1, "write a revocation list");
    return take_text(out);
}

char *authority_file(const void *bytes, size_t size)
{
    char *path = strdup("/tmp/sluice-tls-XXXXXX");
    int descriptor = mkstemp(path);

    must(descriptor >= 0 && write(descriptor, bytes, size) == (ssize_t)size,
         "write a file");
    close(descriptor);
    return path;
}

void authority_pin(X509 *certificate, unsigned char pin[32])
{
    unsigned char *encoded = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);

    must(size > 0 && EVP_Digest(encoded, (size_t)size, pin, NULL, EVP_sha256(),
                                NULL) == 1,
         "hash a key");
    OPENSSL_free(encoded);
}
