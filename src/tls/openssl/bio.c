#include "tls/openssl/bio.h"

#include <openssl/ssl.h>

/* Keeps track of where records end (RFC 8446 5.1): releases before 3.0.14 let
 * their buffer be freed below a header whose body is still to come. */
static void follow_records(struct sl_openssl_edge *edge, const char *bytes,
                           size_t size)
{
    size_t count;

    while (size > 0) {
        if (edge->header_size < sizeof edge->header) {
            edge->header[edge->header_size++] = (unsigned char)*bytes;
            edge->body_left =
                (uint16_t)(edge->header[3] << 8 | edge->header[4]);
            count = 1;
        } else {
            count = size < edge->body_left ? size : edge->body_left;
            edge->body_left = (uint16_t)(edge->body_left - count);
        }
        if (edge->header_size == sizeof edge->header && edge->body_left == 0) {
            edge->header_size = 0;
            edge->count += edge->header[0] == SSL3_RT_APPLICATION_DATA;
        }
        bytes += count;
        size -= count;
    }
}

static int bio_read(BIO *bio, char *to, size_t size, size_t *count)
{
    struct sl_openssl_bio *self = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (self->in == NULL || self->in->length == 0) {
        self->is_starved = true;
        BIO_set_retry_read(bio);
        return 0;
    }
    *count = sl_buffer_copy_out(self->in, 0, to, size);
    sl_buffer_consume(self->in, *count);
    follow_records(&self->received, to, *count);
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *count)
{
    struct sl_openssl_bio *self = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (self->out == NULL)
        self->refused = SL_CLOSED;
    else
        self->refused = sl_buffer_append(self->out, sl_view(bytes, size));
    if (self->refused != SL_OK)
        return 0;
    follow_records(&self->sent, bytes, size);
    *count = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    /* All is written at once; nothing else is on offer. */
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *sl_openssl_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "buffers");

    if (method == NULL)
        return NULL;
    if (!BIO_meth_set_read_ex(method, bio_read) ||
        !BIO_meth_set_write_ex(method, bio_write) ||
        !BIO_meth_set_ctrl(method, bio_control) ||
        !BIO_meth_set_create(method, bio_create)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

BIO *sl_openssl_bio_create(BIO_METHOD *method, struct sl_openssl_bio *bio)
{
    BIO *made = BIO_new(method);

    if (made != NULL)
        BIO_set_data(made, bio);
    return made;
}

struct sl_openssl_bio *sl_openssl_bio_of(BIO *made)
{
    return BIO_get_data(made);
}

void sl_openssl_bio_enter(struct sl_openssl_bio *bio, struct sl_buffer *in,
                          struct sl_buffer *out)
{
    bio->in = in;
    bio->out = out;
    bio->refused = SL_OK;
    bio->is_starved = false;
}

void sl_openssl_bio_leave(struct sl_openssl_bio *bio)
{
    bio->in = NULL;
    bio->out = NULL;
}
