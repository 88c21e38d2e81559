#include "tls/roots.h"

#include "spec/c/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A system of one file or directory, below a directory of its own. */
struct machine {
    char root[64];
    char path[256];
};

static void make_parents(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        REQUIRE(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
}

static void begin(struct machine *machine)
{
    strcpy(machine->root, "/tmp/sluice-roots-XXXXXX");
    REQUIRE(mkdtemp(machine->root) != NULL);
}

static void add_file(struct machine *machine, const char *path,
                     const char *content)
{
    FILE *file;

    snprintf(machine->path, sizeof machine->path, "%s%s", machine->root, path);
    make_parents(machine->path);
    file = fopen(machine->path, "w");
    REQUIRE(file != NULL);
    fputs(content, file);
    fclose(file);
}

static void end(struct machine *machine)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", machine->root);
    CHECK_INT(system(command), 0);
}

static void check_found(struct machine *machine, const char *path,
                        bool is_directory)
{
    struct sl_tls_roots roots;
    char expected[256];

    test_note("%s", path);
    REQUIRE(sl_tls_roots_find(machine->root, &roots));
    snprintf(expected, sizeof expected, "%s%s", machine->root, path);
    CHECK_STR(roots.path, expected);
    CHECK_INT(roots.is_directory, is_directory);
}

TEST("finds the roots of every layout that it knows")
{
    static const char *const files[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* CentOS */
        "/etc/ssl/ca-bundle.pem",                            /* SUSE */
        "/etc/ssl/cert.pem",                                 /* Alpine, macOS */
        "/opt/homebrew/etc/openssl@3/cert.pem",
        "/usr/local/share/certs/ca-root-nss.crt", /* FreeBSD */
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct machine machine;

        begin(&machine);
        add_file(&machine, files[i], "certificates");
        check_found(&machine, files[i], false);
        end(&machine);
    }
}

TEST("prefers a file to a directory, and falls back to a directory")
{
    struct machine machine;

    begin(&machine);
    add_file(&machine, "/etc/ssl/certs/01234567.0", "a certificate");
    check_found(&machine, "/etc/ssl/certs", true);
    add_file(&machine, "/etc/ssl/cert.pem", "certificates");
    check_found(&machine, "/etc/ssl/cert.pem", false);
    end(&machine);
}

TEST("ignores an empty file, and a directory in a file's place")
{
    struct machine machine;
    struct sl_tls_roots roots;

    begin(&machine);
    add_file(&machine, "/etc/ssl/cert.pem", "");
    add_file(&machine, "/etc/pki/tls/certs/ca-bundle.crt/file", "x");
    check_found(&machine, "/etc/pki/tls/certs", true);
    end(&machine);

    begin(&machine);
    CHECK(!sl_tls_roots_find(machine.root, &roots));
    end(&machine);
}

TEST("finds nothing below a path that is too long")
{
    struct sl_tls_roots roots;
    char prefix[600];

    memset(prefix, 'x', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    CHECK(!sl_tls_roots_find(prefix, &roots));
}

int main(void)
{
    return test_main();
}
