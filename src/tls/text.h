/* tls/text.h - certificates as text that may be shown
 *
 * Providers put together what their libraries read; all of it is printable
 * ASCII, whatever a peer wrote into its names.
 */
#ifndef SL_TLS_TEXT_H
#define SL_TLS_TEXT_H

#include "tls/provider.h"

#include <time.h>

/* Cut at its room, but counted in full. */
struct sl_tls_text {
    char *data;
    size_t room;
    size_t size;
};

void sl_tls_text_put(struct sl_tls_text *text, struct sl_view bytes);
/* Puts bytes, as \xHH if they are in `escaped` or not visible ASCII or a
 * space. */
void sl_tls_text_put_escaped(struct sl_tls_text *text, struct sl_view bytes,
                             const char *escaped);
/* Puts an alternative name, DNS or IP (4 or 16 bytes), behind a comma unless it
 * is the first. */
void sl_tls_text_put_name(struct sl_tls_text *text, struct sl_view name,
                          bool is_first);
void sl_tls_text_put_address(struct sl_tls_text *text, struct sl_view address,
                             bool is_first);
/* Puts a time in UTC, by ISO 8601. NULL: the certificate's is malformed. */
void sl_tls_text_put_time(struct sl_tls_text *text, const struct tm *time);
void sl_tls_text_put_hex(struct sl_tls_text *text, struct sl_view bytes);
/* Ends a text by NUL; another may follow. */
void sl_tls_text_end(struct sl_tls_text *text);

/* For a text in `size` bytes of the caller's, at least one: ends it there, with
 * dots when it was cut. */
struct sl_tls_text sl_tls_text_begin(char *data, size_t size);
const char *sl_tls_text_finish(struct sl_tls_text *text);

/* ---- all texts of one certificate in one block, shared by counted reference
 * ---- */

struct sl_tls_texts {
    struct sl_allocator *allocator;
    size_t refs;
    unsigned char digest[32]; /* SHA-256 of the certificate */
    struct sl_tls_certificate view;
    size_t size; /* of this block */
    char bytes[];
};

/* SHA-256 of a certificate and of its public key (SubjectPublicKeyInfo). */
struct sl_tls_digests {
    unsigned char certificate[32];
    unsigned char key[SL_TLS_PIN_SIZE];
};

/* Creates the texts with one reference, those of the digests among them.
 * `write` puts the other five, in the order of struct sl_tls_certificate, each
 * with its end; it is called twice and must write the same. SL_MEMORY, also
 * when `write` answers false or writes otherwise. */
enum sl_status sl_tls_texts_create(struct sl_allocator *allocator,
                                   const struct sl_tls_digests *digests,
                                   bool (*write)(struct sl_tls_text *text,
                                                 void *argument),
                                   void *argument, struct sl_tls_texts **texts);
/* NULL is allowed. */
void sl_tls_texts_release(struct sl_tls_texts *texts);

#endif
