#include "tls/openssl/record.h"

#include "tls/openssl/error.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define HEADER_SIZE 5
#define TAG_SIZE    16
#define NONCE_SIZE  12

/* RFC 8446 5.2: the most bytes of a record, beyond 2^14 bytes of content. */
#define MOST_SEALED (16384 + 256)

/* RFC 8446 5.4: content, kind and padding. */
#define MOST_INNER (16384 + 1)

/* The most content of a record that fits into one segment with its framing. */
#define MOST_CONTENT ((size_t)16384 - HEADER_SIZE - 1 - TAG_SIZE)

#define LITTLE_CONTENT 1024

/* RFC 8446 5.5: AES-GCM is good for 2^24.5 records under one key. */
#define MOST_RECORDS ((uint64_t)1 << 24)

enum kind { ALERT = 21, HANDSHAKE = 22, CONTENT = 23 };
enum message { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 };

/* ---- keys ---- */

/* RFC 8446 7.1: HKDF-Expand-Label without a context; one block of output is
 * always enough. */
static bool expand(const struct sl_openssl_records *records,
                   const struct sl_openssl_secret *secret, const char *label,
                   unsigned char *to, size_t size)
{
    unsigned char info[32];
    unsigned char block[EVP_MAX_MD_SIZE];
    size_t length = strlen(label);
    unsigned block_size = 0;
    bool is_made;

    info[0] = 0;
    info[1] = (unsigned char)size;
    info[2] = (unsigned char)(6 + length);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, length);
    info[9 + length] = 0;  /* no context */
    info[10 + length] = 1; /* the first block */
    is_made = HMAC(records->hash, secret->bytes, secret->size, info,
                   11 + length, block, &block_size) != NULL &&
              block_size >= size;
    if (is_made)
        memcpy(to, block, size);
    OPENSSL_cleanse(block, sizeof block);
    return is_made;
}

/* Sets the keys of a secret, counting from 0. */
static bool set_keys(const struct sl_openssl_records *records,
                     struct sl_openssl_keys *keys, bool encrypts)
{
    unsigned char key[EVP_MAX_KEY_LENGTH];
    size_t size = (size_t)EVP_CIPHER_key_length(records->cipher);
    bool is_set;

    is_set = expand(records, &keys->secret, "key", key, size) &&
             expand(records, &keys->secret, "iv", keys->iv, NONCE_SIZE) &&
             EVP_CipherInit_ex(keys->cipher, records->cipher, NULL, key, NULL,
                               encrypts) == 1;
    OPENSSL_cleanse(key, sizeof key);
    if (is_set)
        keys->sequence = 0;
    return is_set;
}

/* RFC 8446 7.2 */
static bool update_keys(const struct sl_openssl_records *records,
                        struct sl_openssl_keys *keys, bool encrypts)
{
    struct sl_openssl_secret next = {.size = keys->secret.size};
    bool is_set =
        expand(records, &keys->secret, "traffic upd", next.bytes, next.size);

    keys->secret = next;
    OPENSSL_cleanse(&next, sizeof next);
    return is_set && set_keys(records, keys, encrypts);
}

/* Begins a record: nonce and header. RFC 8446 5.3 */
static bool begin_record(struct sl_openssl_keys *keys,
                         const unsigned char header[HEADER_SIZE])
{
    unsigned char nonce[NONCE_SIZE];
    int count;

    memcpy(nonce, keys->iv, sizeof nonce);
    for (int i = 0; i < 8; i++)
        nonce[NONCE_SIZE - 1 - i] ^= (unsigned char)(keys->sequence >> (8 * i));
    keys->sequence++;
    return EVP_CipherInit_ex(keys->cipher, NULL, NULL, NULL, nonce, -1) == 1 &&
           EVP_CipherUpdate(keys->cipher, NULL, &count, header, HEADER_SIZE) ==
               1;
}

/* ---- life ---- */

static const EVP_CIPHER *find_cipher(const SSL_CIPHER *cipher)
{
    switch (SSL_CIPHER_get_protocol_id(cipher)) {
    case 0x1301:
        return EVP_aes_128_gcm();
    case 0x1302:
        return EVP_aes_256_gcm();
    case 0x1303:
        return EVP_chacha20_poly1305();
    default:
        return NULL;
    }
}

struct sl_openssl_records *sl_openssl_records_create(
    struct sl_allocator *allocator, const SSL_CIPHER *cipher,
    const struct sl_openssl_secret *receiving, uint64_t received,
    const struct sl_openssl_secret *sending, uint64_t sent)
{
    struct sl_openssl_records *made =
        sl_allocate_zeroed(allocator, sizeof *made);

    if (made == NULL)
        return NULL;
    made->allocator = allocator;
    made->cipher = find_cipher(cipher);
    made->hash = SSL_CIPHER_get_handshake_digest(cipher);
    made->receiving.secret = *receiving;
    made->sending.secret = *sending;
    made->receiving.cipher = EVP_CIPHER_CTX_new();
    made->sending.cipher = EVP_CIPHER_CTX_new();
    if (made->cipher == NULL || made->hash == NULL ||
        made->receiving.cipher == NULL || made->sending.cipher == NULL ||
        receiving->size == 0 || sending->size == 0 ||
        !set_keys(made, &made->receiving, false) ||
        !set_keys(made, &made->sending, true)) {
        sl_openssl_records_destroy(made);
        return NULL;
    }
    made->receiving.sequence = received;
    made->sending.sequence = sent;
    return made;
}

void sl_openssl_records_destroy(struct sl_openssl_records *records)
{
    if (records == NULL)
        return;
    EVP_CIPHER_CTX_free(records->receiving.cipher);
    EVP_CIPHER_CTX_free(records->sending.cipher);
    OPENSSL_cleanse(&records->receiving, sizeof records->receiving);
    OPENSSL_cleanse(&records->sending, sizeof records->sending);
    sl_free(records->allocator, records, sizeof *records);
}

/* ---- sending ---- */

/* Encrypts content and kind into room for both. */
static bool encrypt(EVP_CIPHER_CTX *cipher, struct sl_view plain,
                    unsigned char kind, unsigned char *to)
{
    int count;

    if (plain.size <= LITTLE_CONTENT) {
        /* A copy costs less than another call for the kind. */
        memcpy(to, plain.data, plain.size);
        to[plain.size] = kind;
        return EVP_CipherUpdate(cipher, to, &count, to, (int)plain.size + 1) ==
               1;
    }
    return EVP_CipherUpdate(cipher, to, &count,
                            (const unsigned char *)plain.data,
                            (int)plain.size) == 1 &&
           EVP_CipherUpdate(cipher, to + plain.size, &count, &kind, 1) == 1;
}

static enum sl_status seal(struct sl_openssl_records *records, enum kind kind,
                           struct sl_view plain, struct sl_buffer *out)
{
    EVP_CIPHER_CTX *cipher = records->sending.cipher;
    size_t sealed = plain.size + 1 + TAG_SIZE;
    struct sl_room room;
    enum sl_status status = sl_buffer_reserve(out, HEADER_SIZE + sealed, &room);
    unsigned char *header;
    unsigned char *tag;
    int count = 0;
    bool is_sealed;

    if (status != SL_OK)
        return status;
    header = (unsigned char *)room.data;
    tag = header + HEADER_SIZE + plain.size + 1;
    header[0] = CONTENT;
    header[1] = 3;
    header[2] = 3;
    header[3] = (unsigned char)(sealed >> 8);
    header[4] = (unsigned char)sealed;
    is_sealed =
        begin_record(&records->sending, header) &&
        encrypt(cipher, plain, (unsigned char)kind, header + HEADER_SIZE) &&
        EVP_CipherFinal_ex(cipher, tag, &count) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
    sl_buffer_commit(out, is_sealed ? HEADER_SIZE + sealed : 0);
    return is_sealed ? SL_OK : SL_MEMORY;
}

static enum sl_status send_key_update(struct sl_openssl_records *records,
                                      struct sl_buffer *out)
{
    static const char message[] = {KEY_UPDATE, 0, 0, 1, 0};
    enum sl_status status =
        seal(records, HANDSHAKE, sl_view(message, sizeof message), out);

    if (status == SL_OK && !update_keys(records, &records->sending, true))
        status = SL_MEMORY;
    return status;
}

enum sl_status sl_openssl_records_seal(struct sl_openssl_records *records,
                                       struct sl_view plain,
                                       struct sl_buffer *out, size_t *consumed,
                                       struct sl_failure *failure)
{
    enum sl_status status = SL_OK;

    if (plain.size > MOST_CONTENT)
        plain.size = MOST_CONTENT;
    if (records->sending.sequence >= MOST_RECORDS)
        status = send_key_update(records, out);
    if (status == SL_OK)
        status = seal(records, CONTENT, plain, out);
    if (status != SL_OK)
        return sl_fail(failure, status, SL_STAGE_TLS, "no room for a record");
    *consumed = plain.size;
    return SL_OK;
}

static void send_alert(struct sl_openssl_records *records, int level, int what,
                       struct sl_buffer *out)
{
    const char alert[2] = {(char)level, (char)what};

    /* Without room the peer sees an end without a reason. */
    (void)seal(records, ALERT, sl_view(alert, sizeof alert), out);
}

void sl_openssl_records_close(struct sl_openssl_records *records,
                              struct sl_buffer *out)
{
    send_alert(records, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY, out);
}

/* ---- receiving ---- */

static enum sl_status refuse(struct sl_openssl_records *records, int alert,
                             const char *reason, struct sl_buffer *out,
                             struct sl_failure *failure)
{
    send_alert(records, SSL3_AL_FATAL, alert, out);
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s", reason);
}

/* As sl_buffer_copy_out, which is asked only when slices meet there. */
static size_t look(const struct sl_buffer *in, size_t offset, void *to,
                   size_t size)
{
    const struct sl_slice *front = &in->slices[in->first];

    if (in->count == 0 || front->size < offset + size)
        return sl_buffer_copy_out(in, offset, to, size);
    memcpy(to, front->data + offset, size);
    return size;
}

/* Decrypts the first `size` bytes of `in` where they lie, and checks the tag
 * behind them. */
static bool decrypt_in_place(struct sl_openssl_keys *keys, struct sl_buffer *in,
                             size_t size,
                             const unsigned char header[HEADER_SIZE])
{
    unsigned char tag[TAG_SIZE];
    bool is_good = begin_record(keys, header);
    size_t left = size;
    int count;

    for (uint32_t i = 0; is_good && left > 0; i++) {
        const struct sl_slice *slice =
            &in->slices[(in->first + i) % in->capacity];
        size_t part = slice->size < left ? slice->size : left;
        unsigned char *at = (unsigned char *)slice->data;

        is_good =
            EVP_CipherUpdate(keys->cipher, at, &count, at, (int)part) == 1;
        left -= part;
    }
    look(in, size, tag, sizeof tag);
    return is_good &&
           EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
                               tag) == 1 &&
           EVP_CipherFinal_ex(keys->cipher, tag, &count) == 1;
}

/* Finds the kind behind content and before padding; `*size` becomes the
 * content's. RFC 8446 5.4. 0: all of it is padding. */
static int find_kind(const struct sl_buffer *in, size_t *size)
{
    char last[16];

    while (*size > 0) {
        size_t count = *size < sizeof last ? *size : sizeof last;

        look(in, *size - count, last, count);
        while (count > 0 && last[count - 1] == 0) {
            count--;
            (*size)--;
        }
        if (count > 0) {
            (*size)--;
            return (unsigned char)last[count - 1];
        }
    }
    return 0;
}

static enum sl_status take_alert(struct sl_openssl_records *records,
                                 const struct sl_buffer *in, size_t size,
                                 struct sl_buffer *out,
                                 struct sl_failure *failure)
{
    char alert[2];
    int what;

    if (size != sizeof alert)
        return refuse(records, SSL_AD_DECODE_ERROR, "a malformed alert", out,
                      failure);
    sl_buffer_copy_out(in, 0, alert, sizeof alert);
    what = (unsigned char)alert[1];
    if (what == SSL_AD_CLOSE_NOTIFY) {
        records->has_ended = true;
        return SL_END;
    }
    /* RFC 8446 6.1: a close_notify follows it. */
    if (what == SSL_AD_USER_CANCELLED)
        return SL_OK;
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "the peer refuses with alert %d (%s)", what,
                   sl_openssl_error_alert(what));
}

/* RFC 8446 4.6.3: nothing may stand behind it in its record. */
static enum sl_status take_key_update(struct sl_openssl_records *records,
                                      bool is_last, struct sl_buffer *out,
                                      struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    unsigned char wanted = records->message[4];

    if (!is_last || wanted > 1)
        return refuse(records, SSL_AD_UNEXPECTED_MESSAGE,
                      "a malformed key update", out, failure);
    if (!update_keys(records, &records->receiving, false))
        status = SL_MEMORY;
    else if (wanted == 1)
        status = send_key_update(records, out);
    if (status == SL_OK)
        return SL_OK;
    records->is_broken = true;
    return sl_fail(failure, status, SL_STAGE_TLS, "no room for new keys");
}

/* Messages may be cut anywhere between records, and several share one. */
static enum sl_status take_handshake(struct sl_openssl_records *records,
                                     const struct sl_buffer *in, size_t size,
                                     struct sl_buffer *out,
                                     struct sl_failure *failure)
{
    enum sl_status status = SL_OK;
    size_t at = 0;

    if (size == 0) /* RFC 8446 5.1 */
        return refuse(records, SSL_AD_UNEXPECTED_MESSAGE, "an empty message",
                      out, failure);
    while (status == SL_OK && at < size) {
        unsigned char *message = records->message;

        if (records->message_left > 0) {
            size_t part = size - at < records->message_left
                              ? size - at
                              : records->message_left;

            records->message_left -= (uint32_t)part;
            at += part;
            continue;
        }
        sl_buffer_copy_out(in, at++, (char *)&message[records->message_size++],
                           1);
        if (records->message_size < 4)
            continue;
        records->message_left =
            (uint32_t)(message[1] << 16 | message[2] << 8 | message[3]);
        if (message[0] == NEW_SESSION_TICKET) {
            records->message_size = 0;
        } else if (message[0] != KEY_UPDATE || records->message_left != 1) {
            status = refuse(records, SSL_AD_UNEXPECTED_MESSAGE,
                            "an unexpected message", out, failure);
        } else {
            records->message_left = 0;
            if (records->message_size < 5)
                continue;
            records->message_size = 0;
            status = take_key_update(records, at == size, out, failure);
        }
    }
    return status;
}

/* Moves content that was decrypted before; the rest of its record goes with the
 * last byte. */
static enum sl_status give_content(struct sl_openssl_records *records,
                                   struct sl_buffer *in,
                                   struct sl_buffer *plain, size_t want,
                                   size_t *count, struct sl_failure *failure)
{
    size_t room = plain->max_size - plain->length;
    size_t before = in->length;
    enum sl_status status = SL_LIMIT;

    if (want > records->content_left)
        want = records->content_left;
    if (want > room)
        want = room;
    if (want > 0)
        status = sl_buffer_move(plain, in, want);
    *count = before - in->length;
    records->content_left = (uint16_t)(records->content_left - *count);
    if (records->content_left == 0) {
        sl_buffer_consume(in, records->trailer_left);
        records->trailer_left = 0;
    }
    if (*count > 0)
        return SL_OK;
    return sl_fail(failure, status, SL_STAGE_TLS, "no room for content");
}

/* Takes a decrypted record without content from the head of `in`. */
static enum sl_status take_other(struct sl_openssl_records *records, int kind,
                                 const struct sl_buffer *in, size_t size,
                                 struct sl_buffer *out,
                                 struct sl_failure *failure)
{
    if (kind == HANDSHAKE)
        return take_handshake(records, in, size, out, failure);
    if (records->message_size > 0 || records->message_left > 0)
        return refuse(records, SSL_AD_UNEXPECTED_MESSAGE, "half a message", out,
                      failure);
    if (kind == ALERT)
        return take_alert(records, in, size, out, failure);
    if (kind == CONTENT)
        return SL_OK; /* RFC 8446 5.1: may be empty */
    return refuse(records, SSL_AD_UNEXPECTED_MESSAGE, "a record of no kind",
                  out, failure);
}

/* Reads the header of a record; SL_AGAIN unless the whole record is there. */
static enum sl_status read_header(struct sl_openssl_records *records,
                                  const struct sl_buffer *in,
                                  unsigned char header[HEADER_SIZE],
                                  size_t *sealed, struct sl_buffer *out,
                                  struct sl_failure *failure)
{
    if (look(in, 0, header, HEADER_SIZE) < HEADER_SIZE)
        return SL_AGAIN;
    *sealed = (size_t)header[3] << 8 | header[4];
    if (header[0] != CONTENT || header[1] != 3)
        return refuse(records, SSL_AD_UNEXPECTED_MESSAGE,
                      "an unexpected record", out, failure);
    if (*sealed > MOST_SEALED)
        return refuse(records, SSL_AD_RECORD_OVERFLOW, "a record is too long",
                      out, failure);
    if (*sealed < TAG_SIZE + 1)
        return refuse(records, SSL_AD_BAD_RECORD_MAC, "a record is corrupt",
                      out, failure);
    return in->length < HEADER_SIZE + *sealed ? SL_AGAIN : SL_OK;
}

enum sl_status sl_openssl_records_open(struct sl_openssl_records *records,
                                       struct sl_buffer *in,
                                       struct sl_buffer *plain, size_t want,
                                       size_t *count, struct sl_buffer *out,
                                       struct sl_failure *failure)
{
    unsigned char header[HEADER_SIZE];
    enum sl_status status;
    size_t sealed;
    size_t size;
    int kind;

    *count = 0;
    if (records->content_left > 0)
        return give_content(records, in, plain, want, count, failure);
    if (records->has_ended)
        return SL_END;
    status = read_header(records, in, header, &sealed, out, failure);
    if (status != SL_OK)
        return status;
    sl_buffer_consume(in, HEADER_SIZE);
    size = sealed - TAG_SIZE;
    if (size > MOST_INNER)
        return refuse(records, SSL_AD_RECORD_OVERFLOW, "a record is too long",
                      out, failure);
    if (!decrypt_in_place(&records->receiving, in, size, header))
        return refuse(records, SSL_AD_BAD_RECORD_MAC, "a record is corrupt",
                      out, failure);
    kind = find_kind(in, &size);
    if (kind == CONTENT && size > 0 && records->message_size == 0 &&
        records->message_left == 0) {
        records->content_left = (uint16_t)size;
        records->trailer_left = (uint16_t)(sealed - size);
        return give_content(records, in, plain, want, count, failure);
    }
    status = take_other(records, kind, in, size, out, failure);
    sl_buffer_consume(in, sealed);
    return status;
}
