/* tls/openssl/notes.h - what is known about a connection besides its SSL
 *
 * in:  the callbacks of OpenSSL      out: record.h goes on without the SSL
 *
 * The secrets of TLS 1.3, and whether the peer is in the middle of a message.
 * The notes become void where nothing can go on with them; from then on nothing
 * is noted, and no secret is kept.
 */
#ifndef SL_TLS_OPENSSL_NOTES_H
#define SL_TLS_OPENSSL_NOTES_H

#include "tls/openssl/record.h"

struct sl_openssl_notes {
    struct sl_openssl_secret receiving;
    struct sl_openssl_secret sending;
    int64_t message_left; /* bytes of a message that has begun */
    uint16_t record_size; /* of the last record */
    bool is_void;
};

/* A line of the log of keys, without its end. True: it was a secret of the
 * content, and other lines come before the next one. */
bool sl_openssl_notes_secret(struct sl_openssl_notes *notes, const char *line);

/* What SSL_CTX_set_msg_callback reports. True: it was a Finished, behind which
 * the secret of the content in its direction is made. */
bool sl_openssl_notes_message(struct sl_openssl_notes *notes, bool is_sent,
                              int kind, const void *bytes, size_t size);

/* Whether they are all that is needed now. */
bool sl_openssl_notes_suffice(const struct sl_openssl_notes *notes);

void sl_openssl_notes_void(struct sl_openssl_notes *notes);

#endif
