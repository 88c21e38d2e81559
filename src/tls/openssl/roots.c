#include "tls/openssl/roots.h"

#include "tls/file.h"
#include "tls/openssl/error.h"
#include "tls/roots.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file from this size on, some twenty roots, takes long to parse at once. */
#define LARGE_FILE ((long)32 * 1024)

static enum sl_status fail(struct sl_failure *failure, const char *option,
                           const char *path)
{
    char what[160];

    snprintf(what, sizeof what, "%s %s", option, path);
    return sl_openssl_error_take(failure, SL_TLS, what);
}

/* ---- roots ---- */

static enum sl_status add_file(const struct sl_openssl_trust *trust,
                               const char *option, const char *path,
                               struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check(option, path, failure);
    struct stat found;

    if (status != SL_OK)
        return status;
    if (*trust->bundle == NULL && stat(path, &found) == 0 &&
        found.st_size >= LARGE_FILE) {
        status = sl_openssl_bundle_create(trust->allocator, path, trust->bundle,
                                          failure);
        if (status != SL_UNSUPPORTED)
            return status;
    }
    if (!X509_STORE_load_locations(trust->store, path, NULL))
        return fail(failure, option, path);
    return SL_OK;
}

/* "5ed36f99.0", as `openssl rehash` makes it */
static bool is_hashed(const char *name)
{
    size_t size = strspn(name, "0123456789abcdefABCDEF");

    return size == 8 && name[8] == '.' && name[9] >= '0' && name[9] <= '9';
}

/* Whether it holds something, and nothing that OpenSSL will ever look for. */
static bool is_unhashed(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool has_hashed = false;
    bool has_other = false;

    if (directory == NULL)
        return false; /* the fault shows itself below */
    while (!has_hashed && (entry = readdir(directory)) != NULL) {
        has_hashed = is_hashed(entry->d_name);
        has_other |= entry->d_name[0] != '.';
    }
    closedir(directory);
    return has_other && !has_hashed;
}

static enum sl_status add_directory(X509_STORE *store, const char *option,
                                    const char *path,
                                    struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check_directory(option, path, failure);

    if (status != SL_OK)
        return status;
    if (is_unhashed(path))
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "%s %.120s: holds no certificate under its hash; run "
                       "openssl rehash",
                       option, path);
    if (!X509_STORE_load_locations(store, NULL, path))
        return fail(failure, option, path);
    return SL_OK;
}

/* Given as the password: OpenSSL would ask for one on the terminal. */
#define NO_PASSWORD ((void *)"")

static enum sl_status add_text(X509_STORE *store, struct sl_view text,
                               struct sl_failure *failure)
{
    BIO *source;
    X509 *certificate;
    size_t count = 0;
    bool is_added = true;

    if (text.size > INT_MAX)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "ca: exceeds %d bytes (fixed)", INT_MAX);
    source = BIO_new_mem_buf(text.data, (int)text.size);
    while (source != NULL && is_added &&
           (certificate = PEM_read_bio_X509(source, NULL, NULL, NO_PASSWORD)) !=
               NULL) {
        is_added = X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
        count++;
    }
    BIO_free(source);
    if (source != NULL && count == 0 && sl_openssl_error_is_end_of_pem()) {
        ERR_clear_error();
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "ca: has no certificate in PEM (ca_file takes a path)");
    }
    if (source == NULL || !is_added || count == 0 ||
        !sl_openssl_error_is_end_of_pem())
        return sl_openssl_error_take(failure, SL_TLS, "ca");
    ERR_clear_error();
    return SL_OK;
}

/* NULL: not set, or empty, which OpenSSL treats alike. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    /* The user who starts a set-user-ID program must not choose its roots. */
    if (value == NULL || value[0] == '\0' || OPENSSL_issetugid())
        return NULL;
    return value;
}

/* Adds a list divided by colons; some directories may be missing. */
static enum sl_status add_directories(X509_STORE *store, const char *option,
                                      const char *list,
                                      struct sl_failure *failure)
{
    enum sl_status answer =
        sl_fail(failure, SL_TLS, SL_STAGE_TLS, "%s names no directory", option);
    size_t size;

    for (; *list != '\0'; list += size + (list[size] == ':')) {
        char path[PATH_MAX];
        enum sl_status status;

        size = strcspn(list, ":");
        if (size == 0 || size >= sizeof path)
            continue;
        memcpy(path, list, size);
        path[size] = '\0';
        status = add_directory(store, option, path, failure);
        if (status == SL_MEMORY)
            return status;
        if (status == SL_OK)
            answer = SL_OK;
    }
    return answer;
}

/* Adds the roots that OpenSSL itself would. A default place may be missing. */
static enum sl_status add_environment(const struct sl_openssl_trust *trust,
                                      const char *file, const char *directory,
                                      struct sl_failure *failure)
{
    const char *built_in_file = X509_get_default_cert_file();
    const char *built_in_directory = X509_get_default_cert_dir();
    enum sl_status status = SL_OK;

    if (file != NULL)
        status =
            add_file(trust, X509_get_default_cert_file_env(), file, failure);
    else if (access(built_in_file, R_OK) == 0)
        status = add_file(trust, "system roots", built_in_file, failure);
    if (status != SL_OK)
        return status;
    if (directory != NULL)
        return add_directories(trust->store, X509_get_default_cert_dir_env(),
                               directory, failure);
    if (access(built_in_directory, R_OK) == 0)
        return add_directory(trust->store, "system roots", built_in_directory,
                             failure);
    return SL_OK;
}

/* The environment first, as with every program over OpenSSL; then where this
 * OpenSSL was built to look; then where distributions keep them. */
static enum sl_status add_system(const struct sl_openssl_trust *trust,
                                 struct sl_failure *failure)
{
    const char *file = environment(X509_get_default_cert_file_env());
    const char *directory = environment(X509_get_default_cert_dir_env());
    const char *built_in = X509_get_default_cert_file();
    struct sl_tls_roots roots;

    if (file != NULL || directory != NULL)
        return add_environment(trust, file, directory, failure);
    if (access(built_in, R_OK) == 0)
        return add_file(trust, "system roots", built_in, failure);
    if (!sl_tls_roots_find("", &roots))
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "no trusted roots found on this system; give ca_file");
    if (roots.is_directory)
        return add_directory(trust->store, "system roots", roots.path, failure);
    return add_file(trust, "system roots", roots.path, failure);
}

/* ---- revocation ---- */

static enum sl_status add_revoked(X509_STORE *store, const char *path,
                                  struct sl_failure *failure)
{
    enum sl_status status = sl_tls_file_check("crl_file", path, failure);
    BIO *source;
    X509_CRL *list;
    size_t count = 0;
    bool is_added = true;

    if (status != SL_OK)
        return status;
    source = BIO_new_file(path, "r");
    while (source != NULL && is_added &&
           (list = PEM_read_bio_X509_CRL(source, NULL, NULL, NO_PASSWORD)) !=
               NULL) {
        is_added = X509_STORE_add_crl(store, list);
        X509_CRL_free(list);
        count++;
    }
    BIO_free(source);
    if (source == NULL || !is_added || count == 0 ||
        !sl_openssl_error_is_end_of_pem())
        return fail(failure, "crl_file", path);
    ERR_clear_error();
    /* Set on the store: a failed allocation that loses a connection's own
     * parameters cannot switch this off. */
    if (!X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
                                         X509_V_FLAG_CRL_CHECK_ALL))
        return fail(failure, "crl_file", path);
    return SL_OK;
}

enum sl_status sl_openssl_roots_load(const struct sl_openssl_trust *trust,
                                     const struct sl_tls_options *options,
                                     struct sl_failure *failure)
{
    X509_STORE *store = trust->store;
    bool has_own = options->ca.size > 0 || options->ca_file != NULL ||
                   options->ca_path != NULL;
    enum sl_status status = SL_OK;

    if (!has_own && options->verifies)
        status = add_system(trust, failure);
    if (status == SL_OK && options->ca.size > 0)
        status = add_text(store, options->ca, failure);
    if (status == SL_OK && options->ca_file != NULL)
        status = add_file(trust, "ca_file", options->ca_file, failure);
    if (status == SL_OK && options->ca_path != NULL)
        status = add_directory(store, "ca_path", options->ca_path, failure);
    if (status == SL_OK && options->crl_file != NULL)
        status = add_revoked(store, options->crl_file, failure);
    return status;
}
