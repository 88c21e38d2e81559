/* tls/provider.h - TLS as an engine between buffers, knowing no socket
 *
 *   ciphertext in  (from transport) -> [ engine ] -> plaintext in  (to http)
 *   ciphertext out (to transport)   <- [ engine ] <- plaintext out (from http)
 *
 * A provider is one constant table. Nothing outside src/tls/ knows the library
 * behind it. Context: one per configuration, frozen once made, with the
 * sessions it may resume. Engine: one per connection.
 */
#ifndef SL_TLS_PROVIDER_H
#define SL_TLS_PROVIDER_H

#include "base/allocator.h"
#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

enum sl_tls_version { SL_TLS_DEFAULT, SL_TLS_1_2, SL_TLS_1_3 };

#define SL_TLS_PINS     16
#define SL_TLS_PIN_SIZE 32

enum sl_tls_hash { SL_TLS_MD5, SL_TLS_SHA1, SL_TLS_SHA256, SL_TLS_SHA512 };

/* The longest of them, in bytes. */
#define SL_TLS_HASH_MAX 64

struct sl_tls_certificate;

struct sl_tls_options {
    bool verifies;       /* chain and name; true by default */
    const char *ca_file; /* NULL: not given; none of the three: system roots */
    const char *ca_path;
    struct sl_view ca;    /* PEM */
    const char *crl_file; /* checked for the whole chain */
    const char *cert_file;
    const char *key_file;
    const char *key_password; /* copied; NULL: none */
    const char *pkcs12_file;
    enum sl_tls_version min_version;
    enum sl_tls_version max_version;
    const char *ciphers; /* the library's list syntax, both versions; a version
                          * of which it does not speak keeps its default */
    /* Protocol names, the wire's length-prefixed list; empty: no ALPN. */
    struct sl_view alpn;
    unsigned char pins[SL_TLS_PINS][SL_TLS_PIN_SIZE]; /* leaf, SPKI SHA-256 */
    size_t pin_count;
    bool resumes;             /* keep and offer sessions */
    bool has_own_records;     /* engines that are not short-lived may go on
                               * without the library's; true by default */
    const char *key_log_file; /* secrets are written there, NSS format */
    /* May refuse a peer that passed every other check, never accept one that
     * did not: called after verification, before any byte is sent. It must
     * leave the engine alone. NULL: no check. */
    bool (*verify)(void *owner, const struct sl_tls_certificate *peer,
                   char *reason, size_t reason_size);
    /* Called when the context is gone, and with it every engine that might have
     * called verify; not when it could not be made. NULL: no call. */
    void (*forget)(void *forgotten);
    void *forgotten;
};

/* The peer's certificate, as text; strings live as long as the engine. */
struct sl_tls_certificate {
    const char *subject;
    const char *issuer;
    const char *names;      /* "DNS:a.test, IP:127.0.0.1" */
    const char *not_before; /* ISO 8601, UTC */
    const char *not_after;
    const char *sha256; /* of the whole certificate, hex */
    const char *spki_sha256;
};

struct sl_tls_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    const char *alpn; /* NULL: none agreed */
    bool is_resumed;
    bool is_verified;
};

/* One connection. */
struct sl_tls_engine_options {
    const char *host; /* a name, rooted or not, or a literal address; empty is
                       * SL_INVALID whatever `verifies` says. Copied */
    const char *identity; /* keys the session cache: everything that must not
                           * be shared. NULL: no session is kept or offered */
    void *owner;          /* passed to verify */
    /* One exchange, whose response is held whole, then the end: nothing is
     * prepared that pays only later, such as own records. */
    bool is_short_lived;
};

struct sl_tls_context;
struct sl_tls_engine;
struct sl_tls_hasher;

struct sl_tls_provider {
    const char *name;

    /* Fills `bytes` so that nobody can guess them. SL_TLS: the library has none
     * now. */
    enum sl_status (*random)(void *bytes, size_t size);

    /* SL_TLS, SL_INVALID, SL_MEMORY: `failure` says which file or option. */
    enum sl_status (*context_create)(struct sl_allocator *allocator,
                                     const struct sl_tls_options *options,
                                     struct sl_tls_context **context,
                                     struct sl_failure *failure);
    void (*context_retain)(struct sl_tls_context *context);
    void (*context_release)(struct sl_tls_context *context);

    /* Creates a client engine, which copies the texts of its options. `pool`
     * serves nothing but small scratch. SL_TLS, SL_INVALID, SL_MEMORY. */
    enum sl_status (*engine_create)(struct sl_tls_context *context,
                                    struct sl_pool *pool,
                                    const struct sl_tls_engine_options *options,
                                    struct sl_tls_engine **engine,
                                    struct sl_failure *failure);
    void (*engine_destroy)(struct sl_tls_engine *engine);

    /* Consumes from `in`, appends to `out`. SL_OK: done, verified, checked
     * again. SL_AGAIN: send `out`, receive more. SL_TLS, SL_MEMORY: `failure`;
     * an alert may stand in `out`. */
    enum sl_status (*handshake)(struct sl_tls_engine *engine,
                                struct sl_buffer *in, struct sl_buffer *out,
                                struct sl_failure *failure);

    /* Decrypts about `want` bytes into the tail of `plain`. SL_OK: some were.
     * SL_AGAIN: more ciphertext is needed; when none will arrive, the peer's
     * content was cut off. SL_END: close_notify. SL_TLS, SL_MEMORY: answered by
     * the call after the last content. SL_LIMIT: of `plain`, may be tried
     * again. May append to `out` (key updates, alerts). */
    enum sl_status (*decrypt)(struct sl_tls_engine *engine,
                              struct sl_buffer *in, struct sl_buffer *plain,
                              size_t want, struct sl_buffer *out,
                              struct sl_failure *failure);

    /* Encrypts from the front of `plain` into records at the tail of `out`, at
     * least one byte of it, at most about 64 KiB. SL_OK; SL_TLS, SL_MEMORY. A
     * full `out` breaks the engine: records are numbered. SL_AGAIN: the peer is
     * in the middle of a message, whose rest must arrive in `in` first. */
    enum sl_status (*encrypt)(struct sl_tls_engine *engine,
                              struct sl_view plain, struct sl_buffer *in,
                              struct sl_buffer *out, size_t *consumed,
                              struct sl_failure *failure);

    /* Appends close_notify; nothing may be encrypted afterwards. */
    void (*close)(struct sl_tls_engine *engine, struct sl_buffer *out);

    /* Nothing is under way for a while: frees memory that the next call can
     * rent again, with OpenSSL the whole SSL or 33 KiB of its record buffers.
     * NULL: there is nothing to free. */
    void (*rest)(struct sl_tls_engine *engine);

    void (*info)(const struct sl_tls_engine *engine, struct sl_tls_info *info);
    /* False: the peer showed no certificate, or SL_MEMORY. */
    bool (*peer)(struct sl_tls_engine *engine,
                 struct sl_tls_certificate *certificate);

    /* Hashes `bytes` into `hash`, which has room for SL_TLS_HASH_MAX.
     * SL_MEMORY; SL_UNSUPPORTED: the library refuses this kind (MD5 in its FIPS
     * mode). */
    enum sl_status (*hash)(enum sl_tls_hash kind, struct sl_view bytes,
                           unsigned char *hash, size_t *size);

    /* Hashes bytes that come piece by piece. Statuses as above. After `finish`
     * the hasher can only be destroyed. */
    enum sl_status (*hasher_create)(enum sl_tls_hash kind,
                                    struct sl_tls_hasher **hasher);
    enum sl_status (*hasher_update)(struct sl_tls_hasher *hasher,
                                    struct sl_view bytes);
    enum sl_status (*hasher_finish)(struct sl_tls_hasher *hasher,
                                    unsigned char *hash, size_t *size);
    void (*hasher_destroy)(struct sl_tls_hasher *hasher);
};

/* The providers of this build, the default first; NULL-terminated. */
extern const struct sl_tls_provider *const sl_tls_providers[];
const struct sl_tls_provider *sl_tls_provider_find(const char *name);

/* Random bytes of the default provider; of the system in a build without one.
 */
enum sl_status sl_tls_random(void *bytes, size_t size);

void sl_tls_options_default(struct sl_tls_options *options);

/* As the default provider hashes; SL_UNSUPPORTED in a build without one. */
enum sl_status sl_tls_hash(enum sl_tls_hash kind, struct sl_view bytes,
                           unsigned char *hash, size_t *size);

#endif
