#include "conn/tunnel_socks5.h"

#include "spec/c/conn/talk.h"

#include <stdio.h>

static const struct sl_tunnel_target plain = {"www.example", 443, NULL, NULL,
                                              NULL};
static const struct sl_tunnel_target known = {"www.example", 443, "me", "pass",
                                              NULL};

static void expect(struct sl_view answers,
                   const struct sl_tunnel_target *target, struct sl_view said)
{
    talk_expect(answers, (struct talk_expected){&sl_tunnel_socks5, target,
                                                SL_OK, NULL, said});
}

static void expect_refusal(struct sl_view answers,
                           const struct sl_tunnel_target *target,
                           const char *reason)
{
    talk_expect(answers,
                (struct talk_expected){
                    &sl_tunnel_socks5, target, SL_PROXY, reason, {NULL, 0}});
}

/* "no login, succeeded" */
#define THROUGH "\5\0\5\0\0\1\0\0\0\0\0\0"

TEST("names are sent as names, literals as addresses")
{
    const struct sl_tunnel_target four = {"192.0.2.1", 80, NULL, NULL, NULL};
    const struct sl_tunnel_target six = {"2001:db8::1", 0x1234, NULL, NULL,
                                         NULL};

    expect(SL_VIEW(THROUGH), &plain,
           SL_VIEW("\5\1\0\5\1\0\3\013www.example\x01\xbb"));
    expect(SL_VIEW(THROUGH), &four, SL_VIEW("\5\1\0\5\1\0\1\300\0\2\1\0\120"));
    expect(SL_VIEW(THROUGH), &six,
           SL_VIEW("\5\1\0\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                   "\x12\x34"));
}

TEST("credentials are sent only if the proxy asks for them")
{
    expect(SL_VIEW("\5\2\1\0\5\0\0\1\0\0\0\0\0\0"), &known,
           SL_VIEW("\5\2\0\2\1\2me\4pass\5\1\0\3\013www.example\x01\xbb"));
    expect(SL_VIEW(THROUGH), &known,
           SL_VIEW("\5\2\0\2\5\1\0\3\013www.example\x01\xbb"));
}

TEST("accepts any kind of address in the reply, and no byte after it")
{
    struct test_allocator allocator;
    struct talk talk;

    expect(SL_VIEW("\5\0\5\0\0\3\5proxy\0\0"), &plain, sl_view(NULL, 0));
    expect(SL_VIEW("\5\0\5\0\0\3\0\0\0"), &plain, sl_view(NULL, 0));
    expect(SL_VIEW("\5\0\5\0\0\4aaaabbbbccccdddd\0\0"), &plain,
           sl_view(NULL, 0));

    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_socks5, &plain);
    CHECK_INT(talk.tunnel->want, 2);
    talk_answer(&talk, SL_VIEW("\5\0"));
    CHECK_INT(talk.tunnel->want, 5);
    talk_answer(&talk, SL_VIEW("\5\0\0"));
    CHECK_INT(talk.tunnel->want, 2);
    talk_answer(&talk, SL_VIEW("\1\0"));
    CHECK_INT(talk.tunnel->want, 5);
    talk_answer(&talk, SL_VIEW("\0\0\0\0\0"));
    CHECK_INT(talk.status, SL_OK);
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

TEST("refusals have messages")
{
    static const char *const words[] = {
        "it failed",
        "its rules do not allow that",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "time to live expired",
        "it does not know the command",
        "it does not know that kind of address",
        "an unknown reply",
    };
    char answers[] = "\5\0\5?";
    char reason[128];

    for (int i = 0; i < 9; i++) {
        answers[3] = (char)(i + 1);
        snprintf(reason, sizeof reason,
                 "no connection to www.example:443: %s (reply %d)", words[i],
                 i + 1);
        expect_refusal(sl_view(answers, 4), &plain, reason);
    }
    expect_refusal(SL_VIEW("\5\xff"), &plain, "it asks for credentials");
    expect_refusal(SL_VIEW("\5\xff"), &known,
                   "it accepts neither credentials nor none");
    expect_refusal(SL_VIEW("\5\2\1\1"), &known,
                   "it does not accept the credentials");
}

TEST("refuses a proxy that speaks another protocol")
{
    expect_refusal(SL_VIEW("HTTP/1.1 400 Bad Request\r\n"), &plain,
                   "its answer is not that of a SOCKS5 proxy");
    expect_refusal(SL_VIEW("\4\0"), &plain,
                   "its answer is not that of a SOCKS5 proxy");
    expect_refusal(SL_VIEW("\5\1"), &plain,
                   "it chose a way to log in that was not offered");
    expect_refusal(SL_VIEW("\5\2"), &plain,
                   "it chose a way to log in that was not offered");
    expect_refusal(SL_VIEW("\5\2\5\0"), &known,
                   "its answer to the credentials is malformed");
    expect_refusal(SL_VIEW("\5\0\4\0\0\1"), &plain,
                   "its reply is not that of a SOCKS5 proxy");
    expect_refusal(SL_VIEW("\5\0\5\0\0\2\0"), &plain,
                   "its reply holds an unknown kind of address");
}

static void expect_begin(const struct sl_tunnel_target *target,
                         const char *reason)
{
    talk_expect_begin(&sl_tunnel_socks5, target,
                      reason == NULL ? SL_AGAIN : SL_INVALID, reason);
}

TEST("refuses texts whose length does not fit into a byte")
{
    char most[256] = {0};
    char more[257] = {0};
    struct sl_tunnel_target target = {most, 1, most, most, NULL};

    memset(most, 'x', sizeof most - 1);
    memset(more, 'x', sizeof more - 1);
    expect_begin(&target, NULL);
    target.host = more;
    expect_begin(&target, "the host name is not of 1 to 255 bytes");
    target = (struct sl_tunnel_target){"h", 1, more, most, NULL};
    expect_begin(&target, "the user name is not of 1 to 255 bytes");
    target = (struct sl_tunnel_target){"h", 1, "", most, NULL};
    expect_begin(&target, "the user name is not of 1 to 255 bytes");
    target = (struct sl_tunnel_target){"h", 1, "u", more, NULL};
    expect_begin(&target, "the password is longer than 255 bytes");
    target = (struct sl_tunnel_target){"h", 1, "u", NULL, NULL};
    expect_begin(&target, NULL);
}

TEST("sends the longest texts there are")
{
    char most[256] = {0};
    struct sl_tunnel_target target = {most, 1, most, most, NULL};
    struct test_allocator allocator;
    struct talk talk;

    memset(most, 'x', sizeof most - 1);
    test_allocator_init(&allocator);
    talk_begin(&talk, &allocator.base, &sl_tunnel_socks5, &target);
    talk_answer(&talk, SL_VIEW("\5\2\1\0\5\0\0\1\0\0\0\0\0\0"));
    CHECK_INT(talk.status, SL_OK);
    CHECK_INT(talk.size, 4 + 513 + 4 + 256 + 2);
    talk_end(&talk);
    test_allocator_fini(&allocator);
}

TEST("releases everything whichever allocation fails")
{
    struct talk_life life = {&sl_tunnel_socks5, &known,
                             SL_VIEW("\5\2\1\0\5\0\0\1\0\0\0\0\0\0"), SL_OK,
                             4 + 9 + 18};

    test_each_failure(talk_live, &life);
}

int main(void)
{
    return test_main();
}
