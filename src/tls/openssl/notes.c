#include "tls/openssl/notes.h"

#include <string.h>

#define RECORD_HEADER 5

/* The bytes that a record of TLS 1.3 adds to its content: kind and tag. */
#define RECORD_OVERHEAD (1 + 16)

/* ---- secrets ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "LABEL <client random> <secret>" */
static void read_secret(const char *line, struct sl_openssl_secret *secret)
{
    const char *hex = strrchr(line, ' ') + 1;
    size_t size = strlen(hex) / 2;

    secret->size = 0;
    if (size > sizeof secret->bytes)
        return;
    for (size_t i = 0; i < size; i++)
        secret->bytes[i] =
            (unsigned char)(OPENSSL_hexchar2int((unsigned char)hex[2 * i])
                                << 4 |
                            OPENSSL_hexchar2int((unsigned char)hex[2 * i + 1]));
    secret->size = (uint8_t)size;
}

bool sl_openssl_notes_secret(struct sl_openssl_notes *notes, const char *line)
{
    if (notes->is_void)
        return true;
    if (starts_with(line, "SERVER_TRAFFIC_SECRET_0 "))
        read_secret(line, &notes->receiving);
    else if (starts_with(line, "CLIENT_TRAFFIC_SECRET_0 "))
        read_secret(line, &notes->sending);
    else
        return false;
    return true;
}

void sl_openssl_notes_void(struct sl_openssl_notes *notes)
{
    OPENSSL_cleanse(notes, sizeof *notes);
    notes->is_void = true;
}

/* ---- messages ---- */

/* Follows messages: the bytes that records bring are counted against the
 * messages understood; the rest has begun and not ended. Padding counts as
 * begun, until content follows; RFC 8446 5.1 lets nothing come between. */
static void follow_messages(struct sl_openssl_notes *notes, unsigned char kind)
{
    if (kind == SSL3_RT_HANDSHAKE)
        notes->message_left += notes->record_size - RECORD_OVERHEAD;
    else
        notes->message_left = 0;
}

bool sl_openssl_notes_message(struct sl_openssl_notes *notes, bool is_sent,
                              int kind, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    bool is_message = kind == SSL3_RT_HANDSHAKE && size > 0;

    if (notes->is_void)
        return false;
    /* From now on other secrets hold, which are not reported. */
    if (is_message && *at == SSL3_MT_KEY_UPDATE) {
        sl_openssl_notes_void(notes);
        return false;
    }
    if (is_sent)
        ; /* only the peer's messages are followed */
    else if (kind == SSL3_RT_HEADER && size == RECORD_HEADER)
        notes->record_size = (uint16_t)(at[3] << 8 | at[4]);
    else if (kind == SSL3_RT_INNER_CONTENT_TYPE)
        follow_messages(notes, *at);
    else if (kind == SSL3_RT_HANDSHAKE)
        notes->message_left -= (int64_t)size;
    return is_message && *at == SSL3_MT_FINISHED;
}

bool sl_openssl_notes_suffice(const struct sl_openssl_notes *notes)
{
    return !notes->is_void && notes->message_left == 0;
}
