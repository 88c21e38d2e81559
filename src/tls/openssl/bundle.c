#include "tls/openssl/bundle.h"

#include "tls/file.h"
#include "tls/openssl/error.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The largest file: no system trusts nearly as much. */
#define MOST_BYTES ((long long)64 * 1024 * 1024)

/* ---- finding the subject without parsing the rest ---- */

/* Enters a sequence, or steps over an element; false when it is malformed. */
static bool step(const unsigned char **at, const unsigned char *end,
                 bool enters, int *class)
{
    long length;
    int tag;

    if (ASN1_get_object(at, &length, &tag, class, end - *at) & 0x80)
        return false;
    if (!enters)
        *at += length;
    return true;
}

/* RFC 5280 4.1: version (tagged), serial, algorithm, issuer, validity,
 * subject */
static X509_NAME *read_subject(const unsigned char *at, size_t size)
{
    const unsigned char *end = at + size;
    const unsigned char *after;
    int class;

    if (!step(&at, end, true, &class) || !step(&at, end, true, &class))
        return NULL;
    after = at;
    if (!step(&after, end, false, &class))
        return NULL;
    if (class == V_ASN1_CONTEXT_SPECIFIC)
        at = after;
    for (int i = 0; i < 4; i++)
        if (!step(&at, end, false, &class))
            return NULL;
    return d2i_X509_NAME(NULL, &at, end - at);
}

/* ---- reading the file ---- */

static enum sl_status make_room(struct sl_openssl_bundle *bundle)
{
    size_t room = bundle->room > 0 ? 2 * bundle->room : 64;
    struct sl_openssl_bundle_entry *entries;

    if (bundle->count < bundle->room)
        return SL_OK;
    entries =
        sl_reallocate(bundle->allocator, bundle->entries,
                      bundle->room * sizeof *entries, room * sizeof *entries);
    if (entries == NULL)
        return SL_MEMORY;
    bundle->entries = entries;
    bundle->room = room;
    return SL_OK;
}

static enum sl_status add(struct sl_openssl_bundle *bundle, const char *kind,
                          const unsigned char *der, size_t size)
{
    struct sl_openssl_bundle_entry *entry;
    X509_NAME *subject;

    if (strcmp(kind, PEM_STRING_X509) != 0)
        return SL_UNSUPPORTED;
    subject = read_subject(der, size);
    if (subject == NULL)
        return SL_UNSUPPORTED;
    if (size > bundle->capacity - bundle->used || make_room(bundle) != SL_OK) {
        X509_NAME_free(subject);
        return SL_MEMORY;
    }
    memcpy(bundle->bytes + bundle->used, der, size);
    entry = &bundle->entries[bundle->count++];
    entry->hash = X509_NAME_hash(subject);
    entry->offset = (uint32_t)bundle->used;
    entry->size = (uint32_t)size;
    entry->is_loaded = false;
    bundle->used += size;
    X509_NAME_free(subject);
    return SL_OK;
}

static enum sl_status read_all(struct sl_openssl_bundle *bundle, BIO *file)
{
    enum sl_status status = SL_OK;
    unsigned char *der;
    char *header;
    char *kind;
    long size;

    while (status == SL_OK &&
           PEM_read_bio(file, &kind, &header, &der, &size) == 1) {
        status = add(bundle, kind, der, (size_t)size);
        OPENSSL_free(kind);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    if (status != SL_OK)
        return status;
    /* Any other fault is reported better by the ordinary way. */
    if (!sl_openssl_error_is_end_of_pem() || bundle->count == 0)
        return SL_UNSUPPORTED;
    return SL_OK;
}

enum sl_status sl_openssl_bundle_create(struct sl_allocator *allocator,
                                        const char *path,
                                        struct sl_openssl_bundle **bundle,
                                        struct sl_failure *failure)
{
    struct sl_openssl_bundle *made;
    struct stat found;
    enum sl_status status = SL_MEMORY;
    BIO *file;

    if (stat(path, &found) != 0)
        return sl_tls_file_fail("roots", path, errno, failure);
    if (!S_ISREG(found.st_mode) || found.st_size > MOST_BYTES)
        return SL_UNSUPPORTED;
    made = sl_allocate_zeroed(allocator, sizeof *made);
    if (made == NULL)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_TLS, "out of memory");
    made->allocator = allocator;
    /* Four characters of text are three bytes at most. */
    made->capacity = (size_t)found.st_size / 4 * 3 + 3;
    made->bytes = sl_allocate(allocator, made->capacity);
    file = made->bytes != NULL ? BIO_new_file(path, "r") : NULL;
    if (made->bytes != NULL && file == NULL) {
        char what[160];

        snprintf(what, sizeof what, "roots %s", path);
        sl_openssl_bundle_destroy(made);
        return sl_openssl_error_take(failure, SL_TLS, what);
    }
    if (file != NULL)
        status = read_all(made, file);
    BIO_free(file);
    ERR_clear_error();
    if (status != SL_OK) {
        sl_openssl_bundle_destroy(made);
        return sl_fail(failure, status, SL_STAGE_TLS, "roots %s: %s", path,
                       status == SL_MEMORY ? "out of memory" : "unsupported");
    }
    *bundle = made;
    return SL_OK;
}

void sl_openssl_bundle_destroy(struct sl_openssl_bundle *bundle)
{
    if (bundle == NULL)
        return;
    sl_free(bundle->allocator, bundle->entries,
            bundle->room * sizeof *bundle->entries);
    sl_free(bundle->allocator, bundle->bytes, bundle->capacity);
    sl_free(bundle->allocator, bundle, sizeof *bundle);
}

/* ---- giving out ---- */

void sl_openssl_bundle_offer(struct sl_openssl_bundle *bundle,
                             X509_STORE *store, const X509_NAME *issuer)
{
    unsigned long hash = X509_NAME_hash((X509_NAME *)(uintptr_t)issuer);

    for (size_t i = 0; i < bundle->count; i++) {
        struct sl_openssl_bundle_entry *entry = &bundle->entries[i];
        const unsigned char *der = bundle->bytes + entry->offset;
        X509 *root;

        if (entry->hash != hash || entry->is_loaded)
            continue;
        root = d2i_X509(NULL, &der, (long)entry->size);
        entry->is_loaded = root != NULL && X509_STORE_add_cert(store, root);
        /* A root may itself be issued by another. */
        if (entry->is_loaded)
            sl_openssl_bundle_offer(bundle, store, X509_get_issuer_name(root));
        X509_free(root);
    }
}
