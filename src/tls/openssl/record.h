/* tls/openssl/record.h - TLS 1.3 records without a connection object
 *
 *   [ 23 3 3 length | content, kind, padding | tag ]     RFC 8446 5.2
 *
 * Once a connection is established, two keys and two counters are all it needs,
 * 3 KB instead of 18. Records are decrypted where they lie and linked into the
 * reader's buffer; they are encrypted from the caller's bytes into the room
 * they are sent from. Nothing is copied, and nothing is given out before its
 * tag was checked.
 *
 * Records without content: close_notify and alerts; key updates, which are
 * answered; tickets, which are passed over. Anything else is refused.
 */
#ifndef SL_TLS_OPENSSL_RECORD_H
#define SL_TLS_OPENSSL_RECORD_H

#include "base/status.h"
#include "memory/buffer.h"

#include <openssl/ssl.h>

#define SL_OPENSSL_SECRET_SIZE 48 /* SHA-384 */

struct sl_openssl_secret {
    unsigned char bytes[SL_OPENSSL_SECRET_SIZE];
    uint8_t size; /* 0: not known */
};

/* The keys of a direction. */
struct sl_openssl_keys {
    EVP_CIPHER_CTX *cipher;
    uint64_t sequence;
    struct sl_openssl_secret secret;
    unsigned char iv[12];
};

struct sl_openssl_records {
    struct sl_allocator *allocator;
    const EVP_CIPHER *cipher;
    const EVP_MD *hash;
    struct sl_openssl_keys receiving;
    struct sl_openssl_keys sending;
    unsigned char message[5]; /* of a handshake message that has begun */
    uint8_t message_size;
    uint32_t message_left; /* to be passed over */
    uint16_t content_left; /* decrypted, at the head of `in` */
    uint16_t trailer_left; /* behind it: kind, padding, tag */
    bool has_ended;        /* close_notify arrived */
    bool is_broken;        /* a key update or alert could not be made */
};

/* Takes over where `sequences` records went each way under these secrets; NULL
 * without memory, or when the cipher is not one of RFC 8446's with 16 bytes of
 * tag. */
struct sl_openssl_records *sl_openssl_records_create(
    struct sl_allocator *allocator, const SSL_CIPHER *cipher,
    const struct sl_openssl_secret *receiving, uint64_t received,
    const struct sl_openssl_secret *sending, uint64_t sent);
void sl_openssl_records_destroy(struct sl_openssl_records *records);

/* Moves up to `want` bytes of one record of `in` to `plain`. SL_OK with
 * `*count` bytes moved (0 for a record without content). SL_AGAIN: not all of
 * it is there. SL_END. SL_LIMIT, SL_MEMORY: may be tried again unless
 * is_broken. SL_TLS: for good; an alert may stand in `out`. */
enum sl_status sl_openssl_records_open(struct sl_openssl_records *records,
                                       struct sl_buffer *in,
                                       struct sl_buffer *plain, size_t want,
                                       size_t *count, struct sl_buffer *out,
                                       struct sl_failure *failure);

/* Encrypts content from the front of `plain`, as one record. */
enum sl_status sl_openssl_records_seal(struct sl_openssl_records *records,
                                       struct sl_view plain,
                                       struct sl_buffer *out, size_t *consumed,
                                       struct sl_failure *failure);

/* Appends close_notify, as far as there is room. */
void sl_openssl_records_close(struct sl_openssl_records *records,
                              struct sl_buffer *out);

#endif
