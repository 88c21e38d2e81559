#include "ws/close.h"

#include "spec/c/support/test.h"

#include <string.h>

static enum sl_status read_code(unsigned code, const char *reason,
                                struct sl_ws_closing *closing)
{
    char payload[2 + 200];
    size_t size = strlen(reason);
    char *guarded;
    enum sl_status status;

    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    memcpy(payload + 2, reason, size);
    guarded = guard_copy(payload, size + 2);
    status = sl_ws_closing_read(sl_view(guarded, size + 2), closing);
    if (status == SL_OK)
        CHECK_BYTES(closing->reason.data, closing->reason.size, reason, size);
    guard_free(guarded);
    return status;
}

/* The codes that RFC 6455 7.4 and its registry let on the wire. */
static bool may_travel(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

TEST("judges every code, both ways")
{
    unsigned code;

    for (code = 0; code <= 0xffff; code++) {
        struct sl_ws_closing closing = {0, {NULL, 0}};
        struct sl_ws_closing ours = {code, SL_VIEW("bye")};
        char payload[SL_WS_CONTROL_MAX];
        size_t size;
        enum sl_status expected = may_travel(code) ? SL_OK : SL_PROTOCOL;

        if (read_code(code, "bye", &closing) != expected ||
            sl_ws_may_send_code(code) != may_travel(code) ||
            (sl_ws_closing_write(&ours, payload, &size) == SL_OK) !=
                may_travel(code))
            CHECK_INT(code, -1);
        if (expected == SL_OK && closing.code != code)
            CHECK_INT(closing.code, code);
    }
}

TEST("reads a payload of none as no code, and refuses one of a byte")
{
    struct sl_ws_closing closing = {1, {"x", 1}};

    CHECK_INT(sl_ws_closing_read(sl_view(NULL, 0), &closing), SL_OK);
    CHECK_INT(closing.code, SL_WS_NO_CODE);
    CHECK_INT(closing.reason.size, 0);
    CHECK_INT(sl_ws_closing_read(SL_VIEW("\x03"), &closing), SL_PROTOCOL);
    /* The byte behind it would make a good code. */
    CHECK_INT(sl_ws_closing_read(sl_view("\x03\xe8", 1), &closing),
              SL_PROTOCOL);
    CHECK_INT(read_code(1000, "", &closing), SL_OK);
    CHECK_INT(closing.code, SL_WS_NORMAL);
}

TEST("refuses a reason that is not UTF-8, also one that is cut")
{
    struct sl_ws_closing closing;

    CHECK_INT(read_code(1000, "\xce\xba\xe1\xbd\xb9", &closing), SL_OK);
    CHECK_INT(read_code(1000, "\xce\xba\xe1\xbd", &closing), SL_DECODE);
    CHECK_INT(read_code(1000, "\xed\xa0\x80", &closing), SL_DECODE);
    CHECK_INT(read_code(1005, "\xff", &closing), SL_PROTOCOL);
}

TEST("writes what it reads, and refuses what does not fit")
{
    char reason[SL_WS_REASON_MAX + 1];
    char payload[SL_WS_CONTROL_MAX];
    struct sl_ws_closing closing = {4321, {reason, SL_WS_REASON_MAX}};
    struct sl_ws_closing back;
    size_t size = 99;

    memset(reason, 'r', sizeof reason);
    CHECK_INT(sl_ws_closing_write(&closing, payload, &size), SL_OK);
    CHECK_INT(size, SL_WS_CONTROL_MAX);
    CHECK_INT(sl_ws_closing_read(sl_view(payload, size), &back), SL_OK);
    CHECK_INT(back.code, 4321);
    CHECK_BYTES(back.reason.data, back.reason.size, reason, SL_WS_REASON_MAX);
    closing.reason.size++;
    CHECK_INT(sl_ws_closing_write(&closing, payload, &size), SL_INVALID);
    closing.reason = SL_VIEW("\xff");
    CHECK_INT(sl_ws_closing_write(&closing, payload, &size), SL_INVALID);
    closing.code = SL_WS_NO_CODE;
    closing.reason = SL_VIEW("why");
    CHECK_INT(sl_ws_closing_write(&closing, payload, &size), SL_INVALID);
    closing.reason = sl_view(NULL, 0);
    CHECK_INT(sl_ws_closing_write(&closing, payload, &size), SL_OK);
    CHECK_INT(size, 0);
}

TEST("has a code for every failure, which may be sent")
{
    int status;

    CHECK_INT(sl_ws_code_of(SL_PROTOCOL), 1002);
    CHECK_INT(sl_ws_code_of(SL_DECODE), 1007);
    CHECK_INT(sl_ws_code_of(SL_LIMIT), 1009);
    CHECK_INT(sl_ws_code_of(SL_UNSUPPORTED), 1010);
    CHECK_INT(sl_ws_code_of(SL_MEMORY), 1011);
    CHECK_INT(sl_ws_code_of(SL_OK), 1000);
    for (status = SL_OK; status <= SL_MISUSE; status++)
        CHECK(sl_ws_may_send_code(sl_ws_code_of((enum sl_status)status)));
}

int main(void)
{
    return test_main();
}
