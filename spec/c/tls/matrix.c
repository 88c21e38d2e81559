#include "spec/c/tls/matrix.h"

#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY       86400L
#define BOTH      "serverAuth,clientAuth"
#define MOST_SENT 300

enum authority {
    ITSELF,
    ROOT,
    OTHER_ROOT, /* trusted by nobody */
    MIDDLE,     /* by ROOT, may issue leaves only */
    EXPIRED_MIDDLE,
    WEAK_MIDDLE,
    RSA_MIDDLE,   /* elliptic keys do not sign with MD5 */
    NO_AUTHORITY, /* a leaf, issues all the same */
    NO_SIGNER,    /* an authority whose key may not sign certificates */
    BELOW_MIDDLE, /* MIDDLE may not issue authorities */
    ONLY_B,       /* may issue for b.test only */
    CLIENTS_ONLY, /* may issue for clients only */
    AUTHORITY_COUNT
};

static const struct {
    enum authority issuer;
    struct wish wish;
} authorities[AUTHORITY_COUNT] = {
    [ROOT] = {ITSELF, {.common_name = "root", .is_authority = true}},
    [OTHER_ROOT] = {ITSELF, {.common_name = "other", .is_authority = true}},
    [MIDDLE] = {ROOT,
                {.common_name = "middle",
                 .is_authority = true,
                 .path_length = "0",
                 .usage = "critical,keyCertSign,cRLSign"}},
    [EXPIRED_MIDDLE] = {ROOT,
                        {.common_name = "expired middle",
                         .is_authority = true,
                         .from = -3 * DAY,
                         .until = -2 * DAY}},
    [WEAK_MIDDLE] = {ROOT,
                     {.common_name = "weak middle",
                      .is_authority = true,
                      .rsa_bits = 1024}},
    [RSA_MIDDLE] = {ROOT,
                    {.common_name = "RSA middle",
                     .is_authority = true,
                     .rsa_bits = 2048}},
    [NO_AUTHORITY] = {ROOT,
                      {.common_name = "no authority",
                       .is_not_authority = true,
                       .names = "DNS:b.test"}},
    [NO_SIGNER] = {ROOT,
                   {.common_name = "no signer",
                    .is_authority = true,
                    .usage = "critical,digitalSignature"}},
    [BELOW_MIDDLE] = {MIDDLE,
                      {.common_name = "below middle", .is_authority = true}},
    [ONLY_B] = {ROOT,
                {.common_name = "only b",
                 .is_authority = true,
                 .constraints = "critical,permitted;DNS:b.test"}},
    [CLIENTS_ONLY] = {ROOT,
                      {.common_name = "clients only",
                       .is_authority = true,
                       .extended_usage = "clientAuth"}},
};

enum revocation {
    NOT_ASKED,
    LEAF_REVOKED,
    MIDDLE_REVOKED,
    NOTHING_REVOKED,
    LIST_MISSING, /* the middle's */
    LIST_EXPIRED,
    LIST_FORGED /* signed with another key */
};

static const struct row {
    struct matrix_case shown;
    enum authority issuer;
    struct wish wish;
    enum revocation revocation;
    bool sends_no_chain;
    bool sends_root;
    bool is_forged; /* signed with a key that is not the issuer's */
    size_t depth;   /* so many authorities between issuer and leaf */
    size_t fill;    /* the chain holds so many copies of the last */
} rows[] = {
    {.shown = {"a name of its own", "a.test", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"letters of either case", "A.TesT", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.tESt", .extended_usage = BOTH}},
    {.shown = {"the last of many names", "a.test", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:b.test,IP:10.0.0.1,email:x@a.test,DNS:a.test"}},
    {.shown = {"a rooted name", "a.test.", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"a rooted name and a wildcard", "x.b.test.", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.b.test"}},
    {.shown = {"a wildcard for one label", "x.b.test", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.b.test"}},
    {.shown = {"an IPv4 address", "127.0.0.1", NULL},
     .issuer = ROOT,
     .wish = {.names = "IP:127.0.0.1"}},
    {.shown = {"an IPv6 address", "::1", NULL},
     .issuer = ROOT,
     .wish = {.names = "IP:::1"}},
    {.shown = {"an intermediate", "a.test", NULL},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"an intermediate with nothing revoked", "a.test", NULL},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = NOTHING_REVOKED},
    {.shown = {"RSA of 2048 bits", "a.test", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .rsa_bits = 2048}},
    {.shown = {"P-384 with SHA-384", "a.test", NULL},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .curve = NID_secp384r1}},
    {.shown = {"constraints that are kept", "b.test", NULL},
     .issuer = ONLY_B,
     .wish = {.names = "DNS:b.test"}},

    {.shown = {"expired", "a.test", "expired on 20"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .from = -3 * DAY, .until = -DAY}},
    {.shown = {"expired a second ago", "a.test", "expired on 20"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .until = -1}},
    {.shown = {"not yet valid", "a.test", "not valid before 20"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .from = DAY, .until = 2 * DAY}},
    {.shown = {"another name", "a.test", "not for a.test but for DNS:b.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:b.test"}},
    {.shown = {"a name that ends like it", "a.test",
               "not for a.test but for DNS:aa.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:aa.test,DNS:test,DNS:x.a.test"}},
    {.shown = {"no name but the common one", "a.test",
               "no subject alternative names"},
     .issuer = ROOT,
     .wish = {.common_name = "a.test"}},
    {.shown = {"the common name beside others", "a.test", "but for DNS:b.test"},
     .issuer = ROOT,
     .wish = {.common_name = "a.test", .names = "DNS:b.test"}},
    {.shown = {"a wildcard for a whole top domain", "a.test",
               "but for DNS:*.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.test"}},
    {.shown = {"a wildcard for two labels", "x.y.a.test",
               "but for DNS:*.a.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.a.test"}},
    {.shown = {"a wildcard for no label", "a.test", "but for DNS:*.a.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.a.test"}},
    {.shown = {"a wildcard for half a label", "xy.a.test",
               "but for DNS:x*.a.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:x*.a.test,DNS:*y.a.test"}},
    {.shown = {"a wildcard in the middle", "x.b.a.test",
               "but for DNS:x.*.a.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:x.*.a.test"}},
    {.shown = {"a wildcard for everything", "a.test", "but for DNS:*"},
     .issuer = ROOT,
     .wish = {.names = "DNS:*"}},
    {.shown = {"a wildcard against an address", "127.0.0.1",
               "but for DNS:*.0.0.1"},
     .issuer = ROOT,
     .wish = {.names = "DNS:*.0.0.1"}},
    {.shown = {"an address written as a name", "127.0.0.1",
               "but for DNS:127.0.0.1"},
     .issuer = ROOT,
     .wish = {.names = "DNS:127.0.0.1"}},
    {.shown = {"another address", "127.0.0.1", "but for IP:127.0.0.2"},
     .issuer = ROOT,
     .wish = {.names = "IP:127.0.0.2"}},
    {.shown = {"an address as the common name", "127.0.0.1",
               "no subject alternative"},
     .issuer = ROOT,
     .wish = {.common_name = "127.0.0.1"}},
    {.shown = {"a name against the address in it", "::1", "but for DNS:a.test"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"NUL in the name", "a.test", "DNS:a.test\\x00.evil.test"},
     .issuer = ROOT,
     .wish = {.raw_name = "a.test\0.evil.test", .raw_name_size = 17}},
    {.shown = {"a name of controls", "a.test", "DNS:\\x1b[2J\\x0a"},
     .issuer = ROOT,
     .wish = {.raw_name = "\x1b[2J\n", .raw_name_size = 5}},
    {.shown = {"self-signed", "a.test", "self-signed and not trusted"},
     .issuer = ITSELF,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"self-signed as an authority", "a.test",
               "self-signed and not trusted"},
     .issuer = ITSELF,
     .wish = {.names = "DNS:a.test", .is_authority = true}},
    {.shown = {"self-signed with the root's name", "a.test", "certificate"},
     .issuer = ITSELF,
     .wish = {.common_name = "root",
              .names = "DNS:a.test",
              .is_authority = true}},
    {.shown = {"an unknown root", "a.test",
               "issued by CN=other, which is not known"},
     .issuer = OTHER_ROOT,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"an unknown root that is sent", "a.test",
               "root CN=other is not trusted"},
     .issuer = OTHER_ROOT,
     .wish = {.names = "DNS:a.test"},
     .sends_root = true},
    {.shown = {"a missing intermediate", "a.test",
               "issued by CN=middle, which is not"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .sends_no_chain = true},
    {.shown = {"for clients only", "a.test", "purpose"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .extended_usage = "clientAuth"}},
    {.shown = {"for signing code", "a.test", "purpose"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .extended_usage = "codeSigning"}},
    {.shown = {"an intermediate for clients only", "a.test", "purpose"},
     .issuer = CLIENTS_ONLY,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"RSA of 1024 bits", "a.test", "key too weak"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .rsa_bits = 1024}},
    {.shown = {"an intermediate with RSA of 1024 bits", "a.test",
               "key too weak"},
     .issuer = WEAK_MIDDLE,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"signed with SHA-1", "a.test", "digest algorithm too weak"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .hash = NID_sha1}},
    {.shown = {"signed with MD5", "a.test", "digest algorithm too weak"},
     .issuer = RSA_MIDDLE,
     .wish = {.names = "DNS:a.test", .hash = NID_md5}},
    {.shown = {"a spoiled signature", "a.test", "signature"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .has_bad_signature = true}},
    {.shown = {"the issuer's name without its key", "a.test", "certificate"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test"},
     .is_forged = true},
    {.shown = {"an issuer that is none", "a.test", "CA certificate"},
     .issuer = NO_AUTHORITY,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"an issuer that may not sign", "a.test", "certificate"},
     .issuer = NO_SIGNER,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"an authority below one that may have none", "a.test",
               "path length"},
     .issuer = BELOW_MIDDLE,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"outside its issuer's names", "a.test",
               "permitted subtree violation"},
     .issuer = ONLY_B,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"a critical extension nobody knows", "a.test",
               "critical extension"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test", .critical_unknown = "0500"}},
    {.shown = {"an expired intermediate", "a.test",
               "CN=expired middle expired on 20"},
     .issuer = EXPIRED_MIDDLE,
     .wish = {.names = "DNS:a.test"}},
    {.shown = {"revoked", "a.test", "CN=leaf was revoked by CN=middle"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = LEAF_REVOKED},
    {.shown = {"a revoked intermediate", "a.test",
               "CN=middle was revoked by CN=root"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = MIDDLE_REVOKED},
    {.shown = {"no revocation list", "a.test",
               "no revocation list of CN=middle"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = LIST_MISSING},
    {.shown = {"an expired revocation list", "a.test", "CRL has expired"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = LIST_EXPIRED},
    {.shown = {"a forged revocation list", "a.test", "CRL signature failure"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .revocation = LIST_FORGED},
    {.shown = {"a chain of twelve authorities", "a.test", "chain too long"},
     .issuer = ROOT,
     .wish = {.names = "DNS:a.test"},
     .depth = 12},
    {.shown = {"a chain of more than 100 KiB", "a.test", "chain is too long"},
     .issuer = MIDDLE,
     .wish = {.names = "DNS:a.test"},
     .fill = MOST_SENT - 1},
};

/* ---- one case ---- */

struct hall {
    struct issued authorities[AUTHORITY_COUNT];
    struct issued stranger; /* a key for forgeries */
    char *root_pem;
};

static void add_list(struct sl_buffer *text, const struct issued *issuer,
                     const X509 *revoked, long until)
{
    X509_CRL *list = authority_revoke(issuer, revoked, -2 * DAY, until);
    char *pem = authority_crl_pem(list);

    REQUIRE(sl_buffer_append(text, sl_view(pem, strlen(pem))) == SL_OK);
    free(pem);
    X509_CRL_free(list);
}

/* A file with the lists of root and middle, or NULL. */
static char *make_lists(const struct hall *hall, const struct row *row,
                        const struct issued *leaf)
{
    const struct issued *middle = &hall->authorities[MIDDLE];
    struct issued forger = {middle->certificate, hall->stranger.key};
    enum revocation kind = row->revocation;
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer text;
    struct sl_view whole;
    char *path;

    if (kind == NOT_ASKED)
        return NULL;
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    sl_buffer_init(&text, &pool, SIZE_MAX);
    add_list(&text, &hall->authorities[ROOT],
             kind == MIDDLE_REVOKED ? middle->certificate : NULL, DAY);
    if (kind != LIST_MISSING)
        add_list(&text, kind == LIST_FORGED ? &forger : middle,
                 kind == LEAF_REVOKED ? leaf->certificate : NULL,
                 kind == LIST_EXPIRED ? -DAY : DAY);
    REQUIRE(sl_buffer_gather(&text, text.length, &whole) == SL_OK);
    path = authority_file(whole.data, whole.size);
    sl_buffer_fini(&text);
    sl_pool_fini(&pool);
    return path;
}

static void
run(const struct hall *hall, const struct row *row,
    void (*body)(const struct matrix_case *tried, struct server *server,
                 const struct sl_tls_options *options, void *argument),
    void *argument)
{
    struct wish wish = row->wish;
    struct issued deep[16];
    struct issued leaf;
    X509 *sent[MOST_SENT + 1];
    size_t count = 0;
    struct server server;
    struct sl_tls_options options;
    enum authority at = row->issuer;
    char *lists;

    if (row->issuer != ITSELF)
        wish.issuer = &hall->authorities[row->issuer];
    for (size_t i = 0; i < row->depth; i++) {
        char name[32];

        snprintf(name, sizeof name, "level %zu", i);
        deep[i] = authority_issue(&(struct wish){
            .issuer = wish.issuer, .common_name = name, .is_authority = true});
        wish.issuer = &deep[i];
    }
    if (row->is_forged)
        wish.other_signer = hall->stranger.key;
    leaf = authority_issue(&wish);

    for (size_t i = row->depth; i > 0; i--)
        sent[count++] = deep[i - 1].certificate;
    while (at != ITSELF && !row->sends_no_chain) {
        if (authorities[at].issuer != ITSELF || row->sends_root)
            sent[count++] = hall->authorities[at].certificate;
        at = authorities[at].issuer;
    }
    while (count > 0 && count < row->fill) {
        sent[count] = sent[count - 1];
        count++;
    }
    sent[count] = NULL;

    server_init(&server, &leaf, sent);
    sl_tls_options_default(&options);
    options.ca = sl_view(hall->root_pem, strlen(hall->root_pem));
    lists = make_lists(hall, row, &leaf);
    options.crl_file = lists;
    test_note("%s", row->shown.title);
    body(&row->shown, &server, &options, argument);
    test_note("%s", "");

    if (lists != NULL)
        unlink(lists);
    free(lists);
    server_fini(&server);
    authority_forget(&leaf);
    for (size_t i = 0; i < row->depth; i++)
        authority_forget(&deep[i]);
}

void matrix_each(void (*body)(const struct matrix_case *tried,
                              struct server *server,
                              const struct sl_tls_options *options,
                              void *argument),
                 void *argument)
{
    struct hall hall;

    memset(&hall, 0, sizeof hall);
    for (enum authority i = ROOT; i < AUTHORITY_COUNT; i++) {
        struct wish wish = authorities[i].wish;

        if (authorities[i].issuer != ITSELF)
            wish.issuer = &hall.authorities[authorities[i].issuer];
        hall.authorities[i] = authority_issue(&wish);
    }
    hall.stranger = authority_issue(&(struct wish){.common_name = "stranger"});
    hall.root_pem = authority_pem(hall.authorities[ROOT].certificate);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run(&hall, &rows[i], body, argument);
    free(hall.root_pem);
    authority_forget(&hall.stranger);
    for (enum authority i = ROOT; i < AUTHORITY_COUNT; i++)
        authority_forget(&hall.authorities[i]);
}
