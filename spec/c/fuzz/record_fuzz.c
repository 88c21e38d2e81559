/* Records under keys that both ends know: what a hostile server could send.
 *
 * The first byte chooses the cipher and whether the rest is taken for the wire
 * as it stands, or as the inner bytes of records, each behind its size, and
 * with another bit behind a count of bytes, which make it as long as may be or
 * longer than that.
 */
#include "spec/c/fuzz/ground.h"
#include "spec/c/fuzz/plain_openssl.h"
#include "tls/openssl/record.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MOST 256

static const SSL_CIPHER *ciphers[3];

static void prepare(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    STACK_OF(SSL_CIPHER) *known = SSL_CTX_get_ciphers(context);

    for (int i = 0; i < sk_SSL_CIPHER_num(known); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(known, i);
        unsigned id = SSL_CIPHER_get_protocol_id(cipher);

        if (id >= 0x1301 && id <= 0x1303)
            ciphers[id - 0x1301] = cipher;
    }
    SSL_CTX_free(context);
}

#define FILLING ((size_t)65) /* 255 of them and what follows: beyond 2^14 */

/* Seals `inner` as the server would, behind so many other bytes. */
static void put(struct sl_openssl_keys *keys, struct sl_buffer *wire,
                size_t before, const uint8_t *inner, size_t inner_size)
{
    unsigned char record[5 + 255 * FILLING + 255 + 16] = {23, 3, 3, 0, 0};
    unsigned char content[255 * FILLING + 255];
    unsigned char nonce[12];
    size_t size = before + inner_size;
    int count;

    memset(content, 'x', before);
    memcpy(content + before, inner, inner_size);

    record[3] = (unsigned char)((size + 16) >> 8);
    record[4] = (unsigned char)(size + 16);
    memcpy(nonce, keys->iv, sizeof nonce);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (unsigned char)(keys->sequence >> (8 * i));
    keys->sequence++;
    if (EVP_CipherInit_ex(keys->cipher, NULL, NULL, NULL, nonce, 1) != 1 ||
        EVP_CipherUpdate(keys->cipher, NULL, &count, record, 5) != 1 ||
        (size > 0 && EVP_CipherUpdate(keys->cipher, record + 5, &count, content,
                                      (int)size) != 1) ||
        EVP_CipherFinal_ex(keys->cipher, record + 5 + size, &count) != 1 ||
        EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_GET_TAG, 16,
                            record + 5 + size) != 1 ||
        sl_buffer_append(wire, sl_view((char *)record, 5 + size + 16)) != SL_OK)
        abort();
}

/* Opens all that is there; false when the connection has ended or broken. */
static bool drain(struct sl_openssl_records *records, struct sl_buffer *wire,
                  struct sl_buffer *plain, struct sl_buffer *out, size_t want)
{
    struct sl_failure failure = {.reason = ""};
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        size_t before = plain->length;
        size_t count;

        status = sl_openssl_records_open(records, wire, plain, want, &count,
                                         out, &failure);
        if (plain->length != before + count || count > want)
            abort();
    }
    if (sl_is_failure(status) && failure.reason[0] == '\0')
        abort();
    return status == SL_AGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_openssl_secret there = {"there", 32};
    struct sl_openssl_secret back = {"back", 32};
    struct sl_allocator *allocator = ground_allocator();
    struct sl_pool *pool = ground_pool(SL_POOL_SLABS, 512);
    struct sl_openssl_records *client;
    struct sl_openssl_records *server;
    struct sl_buffer wire;
    struct sl_buffer plain;
    struct sl_buffer out;
    const SSL_CIPHER *cipher;
    size_t want;
    size_t at = 1;

    if (ciphers[0] == NULL)
        prepare();
    if (size == 0)
        return 0;
    cipher = ciphers[data[0] % 3];
    if (data[0] % 3 == 1)
        there.size = back.size = 48;
    sl_buffer_init(&wire, pool, SIZE_MAX);
    sl_buffer_init(&plain, pool, SIZE_MAX);
    sl_buffer_init(&out, pool, SIZE_MAX);
    client = sl_openssl_records_create(allocator, cipher, &there, 0, &back, 0);
    server = sl_openssl_records_create(allocator, cipher, &back, 0, &there, 0);
    if (client == NULL || server == NULL)
        abort();
    /* Few bytes at a time of small records, many of long ones. */
    want = (size_t)(1 + data[0] % 40) << (data[0] & 0x40 ? 10 : 0);
    if (data[0] & 0x80) {
        if (sl_buffer_append(
                &wire, sl_view((const char *)data + 1, size - 1)) != SL_OK)
            abort();
        drain(client, &wire, &plain, &out, 16);
        if (plain.length > 0)
            abort(); /* nobody knew the keys */
    } else {
        bool goes_on = true;

        while (goes_on && at < size) {
            size_t count = data[at++];
            size_t before = 0;

            if ((data[0] & 0x40) != 0 && at < size)
                before = FILLING * data[at++];
            count = count < size - at ? count : size - at;
            put(&server->sending, &wire, before, data + at, count);
            at += count;
            goes_on = drain(client, &wire, &plain, &out, want);
        }
    }
    sl_openssl_records_destroy(client);
    sl_openssl_records_destroy(server);
    sl_buffer_fini(&wire);
    sl_buffer_fini(&plain);
    sl_buffer_fini(&out);
    ground_all_returned();
    return 0;
}
