#include "tls/openssl/bundle.h"

#include "spec/c/tls/wire.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOTS 12

/* Roots of which one is issued by another, and a file of them all. */
struct hall {
    struct issued roots[ROOTS];
    char text[64 * 1024];
    char *path;
};

static void begin(struct hall *hall, const char *before, const char *after)
{
    size_t used = (size_t)snprintf(hall->text, sizeof hall->text, "%s", before);

    for (size_t i = 0; i < ROOTS; i++) {
        char name[32];
        char *pem;

        snprintf(name, sizeof name, "root %zu", i % (ROOTS - 1));
        hall->roots[i] = authority_issue(
            &(struct wish){.common_name = name,
                           .issuer = i == 5 ? &hall->roots[2] : NULL,
                           .is_authority = true});
        pem = authority_pem(hall->roots[i].certificate);
        used += (size_t)snprintf(hall->text + used, sizeof hall->text - used,
                                 "# %s\n%s\n", name, pem);
        free(pem);
    }
    used += (size_t)snprintf(hall->text + used, sizeof hall->text - used, "%s",
                             after);
    hall->path = authority_file(hall->text, used);
}

static void end(struct hall *hall)
{
    unlink(hall->path);
    free(hall->path);
    for (size_t i = 0; i < ROOTS; i++)
        authority_forget(&hall->roots[i]);
}

static int count_known(X509_STORE *store)
{
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

TEST("returns the requested roots, and their issuers")
{
    struct hall hall;
    struct test_allocator allocator;
    struct sl_openssl_bundle *bundle;
    struct sl_failure failure;
    X509_STORE *store = X509_STORE_new();

    begin(&hall, "", "");
    test_allocator_init(&allocator);
    REQUIRE(sl_openssl_bundle_create(&allocator.base, hall.path, &bundle,
                                     &failure) == SL_OK);
    CHECK_INT(bundle->count, ROOTS);
    CHECK_INT(count_known(store), 0);
    for (int again = 0; again < 2; again++) {
        sl_openssl_bundle_offer(
            bundle, store, X509_get_subject_name(hall.roots[3].certificate));
        CHECK_INT(count_known(store), 1);
    }
    /* The issuer of root 5 is root 2. */
    sl_openssl_bundle_offer(bundle, store,
                            X509_get_subject_name(hall.roots[5].certificate));
    CHECK_INT(count_known(store), 3);
    /* Two roots are called "root 0". */
    sl_openssl_bundle_offer(bundle, store,
                            X509_get_subject_name(hall.roots[0].certificate));
    CHECK_INT(count_known(store), 5);
    sl_openssl_bundle_destroy(bundle);
    test_allocator_fini(&allocator);
    X509_STORE_free(store);
    end(&hall);
}

TEST("leaves what is not a plain certificate to OpenSSL")
{
    static const char *const strange[] = {
        "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n",
        "-----BEGIN CERTIFICATE-----\nMAAwAA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
    };

    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        for (int is_first = 0; is_first < 2; is_first++) {
            struct hall hall;
            struct test_allocator allocator;
            struct sl_openssl_bundle *bundle;
            struct sl_failure failure;

            begin(&hall, is_first ? strange[i] : "",
                  is_first ? "" : strange[i]);
            test_allocator_init(&allocator);
            test_note("%s", strange[i]);
            CHECK_INT(sl_openssl_bundle_create(&allocator.base, hall.path,
                                               &bundle, &failure),
                      SL_UNSUPPORTED);
            test_allocator_fini(&allocator);
            end(&hall);
        }
}

static void live(struct sl_allocator *allocator, void *argument)
{
    struct hall *hall = argument;
    struct sl_openssl_bundle *bundle = NULL;
    struct sl_failure failure;
    enum sl_status status =
        sl_openssl_bundle_create(allocator, hall->path, &bundle, &failure);

    if (status != SL_OK) {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(allocator));
    }
    sl_openssl_bundle_destroy(bundle);
}

TEST("reports why it cannot open the file")
{
    struct hall hall;
    struct test_allocator allocator;
    struct sl_openssl_bundle *bundle;
    struct sl_failure failure;
    struct rlimit before, none;
    int lowest = dup(0);

    begin(&hall, "", "");
    test_allocator_init(&allocator);
    close(lowest);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK_INT(
        sl_openssl_bundle_create(&allocator.base, hall.path, &bundle, &failure),
        SL_TLS);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(strstr(failure.reason, ": Too many open files") != NULL);
    CHECK_INT(ERR_peek_error(), 0);
    test_allocator_fini(&allocator);
    end(&hall);
}

TEST("survives every failing allocation")
{
    struct hall hall;

    begin(&hall, "", "");
    test_each_failure(live, &hall);
    end(&hall);
}

/* A large file of roots, the scene's among them, through a whole context. */
static enum sl_status visit(struct scene *scene, const char *filling,
                            char reason[232])
{
    static char text[128 * 1024];
    struct wire wire;
    enum sl_status status;
    size_t used = 0;
    char *path;

    while (used < 40 * 1024)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s", filling);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                             scene->root_pem);
    path = authority_file(text, used);
    scene->options.ca = sl_view(NULL, 0);
    scene->options.ca_file = path;
    status = wire_init(&wire, &scene->server, &scene->options, 0);
    if (status == SL_OK)
        status = wire_open(&wire, "a.test", "x");
    if (status == SL_OK) {
        CHECK_INT(wire_receive(&wire, 1), SL_AGAIN);
        status = wire_open(&wire, "a.test", "x");
    }
    strcpy(reason, wire.failure.reason);
    test_note("%s", reason);
    wire_fini(&wire);
    unlink(path);
    free(path);
    return status;
}

TEST("a context trusts what a large file holds, and nothing else")
{
    struct scene scene;
    struct issued other = authority_issue(
        &(struct wish){.common_name = "other", .is_authority = true});
    char *other_pem = authority_pem(other.certificate);
    char reason[232];

    scene_init(&scene);
    CHECK_INT(visit(&scene, other_pem, reason), SL_OK);
    /* Comments only: one root in a large file. */
    CHECK_INT(visit(&scene, "# nothing to see\n", reason), SL_OK);
    free(scene.root_pem);
    scene.root_pem = strdup("");
    CHECK_INT(visit(&scene, other_pem, reason), SL_TLS);
    CHECK_STR(reason, "no trusted root: CN=leaf was issued by CN=root, which "
                      "is not known");
    CHECK_INT(visit(&scene, "# nothing to see\n", reason), SL_TLS);
    CHECK(strncmp(reason, "ca_file ", 8) == 0);
    free(other_pem);
    authority_forget(&other);
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
