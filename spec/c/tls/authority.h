/* spec/c/tls/authority.h - certificates made on the spot, of any badness
 *
 * Elliptic keys unless asked otherwise, because they are quick. Whatever cannot
 * be made ends the program: a test without its certificate would test nothing.
 */
#ifndef SPEC_C_TLS_AUTHORITY_H
#define SPEC_C_TLS_AUTHORITY_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>

struct issued {
    X509 *certificate;
    EVP_PKEY *key;
};

/* All zero asks for a leaf of P-256, valid from yesterday to tomorrow. */
struct wish {
    const struct issued *issuer; /* NULL: itself */
    const char *common_name;
    const char *names;    /* "DNS:a.test,IP:127.0.0.1" */
    const char *raw_name; /* one DNS name, any bytes */
    size_t raw_name_size;
    bool is_authority;
    bool is_not_authority;        /* says CA:FALSE in so many words */
    const char *usage;            /* "keyCertSign" */
    const char *extended_usage;   /* "clientAuth" */
    const char *constraints;      /* "permitted;DNS:a.test" */
    const char *path_length;      /* "0" */
    const char *critical_unknown; /* DER in hex of an extension nobody knows */
    long from;                    /* seconds from now */
    long until;                   /* 0: tomorrow */
    int rsa_bits;
    int curve; /* a NID */
    int hash;  /* a NID; 0: SHA-256 */
    bool has_bad_signature;
    const EVP_PKEY *other_signer; /* signs instead of the issuer's key */
};

struct issued authority_issue(const struct wish *wish);
void authority_forget(struct issued *issued);

/* A list by `issuer`, of no certificate (NULL) or that one. */
X509_CRL *authority_revoke(const struct issued *issuer, const X509 *revoked,
                           long from, long until);

/* PEM texts in memory; free() them. */
char *authority_pem(X509 *certificate);
char *authority_key_pem(EVP_PKEY *key, const char *password);
char *authority_crl_pem(X509_CRL *list);

/* Writes `text` to a new temporary file, whose name is returned; unlink() and
 * free() it. */
char *authority_file(const void *bytes, size_t size);

/* SHA-256 of the SubjectPublicKeyInfo. */
void authority_pin(X509 *certificate, unsigned char pin[32]);

#endif
