#include "tls/roots.h"

#include <stdio.h>
#include <sys/stat.h>

static const char *const files[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Gentoo */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* older of these */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/ssl/cert.pem", /* Alpine, macOS, OpenBSD */
    "/opt/homebrew/etc/openssl@3/cert.pem",
    "/usr/local/etc/openssl@3/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt", /* FreeBSD */
    "/etc/openssl/certs/ca-certificates.crt", /* NetBSD */
};

static const char *const directories[] = {
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/openssl/certs",
};

static bool is_there(const char *prefix, const char *path, bool is_directory,
                     struct sl_tls_roots *roots)
{
    struct stat found;
    int length =
        snprintf(roots->path, sizeof roots->path, "%s%s", prefix, path);

    if (length < 0 || (size_t)length >= sizeof roots->path ||
        stat(roots->path, &found) != 0)
        return false;
    roots->is_directory = is_directory;
    if (is_directory)
        return S_ISDIR(found.st_mode);
    return S_ISREG(found.st_mode) && found.st_size > 0;
}

bool sl_tls_roots_find(const char *prefix, struct sl_tls_roots *roots)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (is_there(prefix, files[i], false, roots))
            return true;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        if (is_there(prefix, directories[i], true, roots))
            return true;
    return false;
}
