/* tls/openssl/bio.h - buffers as the input and output of an SSL
 *
 *   `in` -> read -> [ SSL ] -> write -> `out`
 *
 * Both are known for the length of one call only. Bytes that pass are followed
 * record by record.
 */
#ifndef SL_TLS_OPENSSL_BIO_H
#define SL_TLS_OPENSSL_BIO_H

#include "base/status.h"
#include "memory/buffer.h"

#include <openssl/bio.h>
#include <stdbool.h>
#include <stdint.h>

/* Follows the records of one direction to their ends (RFC 8446 5.1). */
struct sl_openssl_edge {
    uint64_t count;            /* protected records that have ended */
    unsigned char header[5];   /* of the record that is under way */
    unsigned char header_size; /* of it so far; 0: between records */
    uint16_t body_left;
};

struct sl_openssl_bio {
    struct sl_buffer *in; /* NULL outside a call; NULL: no input */
    struct sl_buffer *out;
    struct sl_openssl_edge received; /* since the connection was made */
    struct sl_openssl_edge sent;
    enum sl_status refused; /* why it could not write */
    bool is_starved;        /* it had nothing to read */
};

/* For sl_openssl_bio_create; free it with BIO_meth_free. NULL without
 * memory. */
BIO_METHOD *sl_openssl_bio_method(void);

/* Reads and writes through `bio`, which must outlive it. NULL without
 * memory. */
BIO *sl_openssl_bio_create(BIO_METHOD *method, struct sl_openssl_bio *bio);
/* The bio that was given to create. */
struct sl_openssl_bio *sl_openssl_bio_of(BIO *made);

/* A call begins, and ends. */
void sl_openssl_bio_enter(struct sl_openssl_bio *bio, struct sl_buffer *in,
                          struct sl_buffer *out);
void sl_openssl_bio_leave(struct sl_openssl_bio *bio);

#endif
