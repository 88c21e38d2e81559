#include "conn/deadline.h"

#include "spec/c/conn/scene.h"

#include <stdio.h>

static struct scene scene;

TEST("waits as long as the reference of the option timeout says")
{
    struct sl_deadlines deadlines;

    memset(&deadlines, 0xff, sizeof deadlines);
    sl_deadlines_default(&deadlines);
    CHECK_INT(deadlines.queue, 60 * SL_SECOND);
    CHECK_INT(deadlines.opening.resolve, 5 * SL_SECOND);
    CHECK_INT(deadlines.opening.connect, 10 * SL_SECOND);
    CHECK_INT(deadlines.opening.proxy, 10 * SL_SECOND);
    CHECK_INT(deadlines.opening.tls, 10 * SL_SECOND);
    CHECK_INT(deadlines.first_byte, 30 * SL_SECOND);
    CHECK_INT(deadlines.idle, 30 * SL_SECOND);
    CHECK_INT(deadlines.total, 300 * SL_SECOND);
    CHECK(!deadlines.has_own_idle);
    CHECK_INT(deadlines.rate_bytes, 0);
    CHECK_INT(deadlines.rate_within, SL_NEVER);
}

/* The total time of an exchange is over while a connection is opened for it. */
static void time_out_opening(const char *expected)
{
    struct sl_exchange *exchange = scene_begin(&scene, GET);

    CHECK_INT(sl_exchange_want(exchange, SL_WANT_WHOLE, 0), SL_AGAIN);
    CHECK_INT(exchange->phase, SL_EXCHANGE_WAITING);
    exchange->deadline = 1;
    sl_exchange_time_out(exchange);
    CHECK_INT(exchange->request->failure.status, SL_TIMEOUT);
    CHECK_STR(exchange->request->failure.reason, expected);
    sl_exchange_release(exchange);
}

TEST("names the host and port, or the socket, that it could not reach in time")
{
    struct sl_origin_options origin = {.key = "unix", .host = "x"};
    char expected[80];

    scene_init(&scene);
    snprintf(expected, sizeof expected,
             "127.0.0.1:%d: not complete within 300 s (timeout.total)",
             scene.port);
    time_out_opening(expected);
    sl_origin_release(scene.origin);
    origin.unix_path = "/nowhere/sock";
    REQUIRE(sl_origin_find(scene.connections, &origin, &scene.origin) == SL_OK);
    time_out_opening(
        "/nowhere/sock: not complete within 300 s (timeout.total)");
    scene_fini(&scene);
}

int main(void)
{
    return test_main();
}
