#include "spec/c/conn/openings.h"

static struct wait *asked;

TEST("returns a plain link and the time at which each stage ended")
{
    struct wait wait;
    const struct sl_opening_times *times;
    int peer;

    setup();
    REQUIRE(begin(&wait, false, NULL) == SL_OK);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_CONNECT);
    step_until_held(1);
    CHECK(!wait.is_done);
    peer = script_accept();
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    CHECK(wait.link.transport != NULL);
    CHECK(wait.link.tls == NULL);
    CHECK(wait.peer == NULL);
    times = sl_opening_times(wait.opening);
    CHECK(times->began > 0);
    CHECK(times->began <= times->resolved);
    CHECK(times->resolved <= times->connected);
    CHECK_INT(times->secured, 0);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("secures its connection, and returns the peer's identity")
{
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    world_settle(&world);
    CHECK(!wait.is_done);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    welcome(peer);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_OK);
    CHECK(wait.link.tls != NULL);
    CHECK(wait.peer != NULL);
    CHECK(sl_opening_times(wait.opening)->connected <=
          sl_opening_times(wait.opening)->secured);
    finish(&wait);
    close(peer);
    teardown();
}

TEST("names the stage that failed")
{
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    script_refuse(ECONNREFUSED);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_CONNECT);
    CHECK_INT(wait.failure.stage, SL_STAGE_CONNECT);
    CHECK_INT(wait.failure.system_error, ECONNREFUSED);
    finish(&wait);

    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    REQUIRE(send(peer, "X\0\3\x34\x35\x2e", 6, MSG_NOSIGNAL) == 6);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TLS);
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    CHECK_INT(sl_opening_stage(wait.opening), SL_STAGE_TLS);
    finish(&wait);
    close(peer);

    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    close(script_accept());
    world_until(&world, &wait.is_done);
    CHECK(sl_is_failure(wait.status));
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    finish(&wait);
    teardown();
}

TEST("gives each stage its own deadline")
{
    struct sl_opening_deadlines deadlines = {SL_NEVER, 20 * SL_MILLISECOND,
                                             SL_NEVER, SL_NEVER};
    struct wait wait;
    int peer;

    setup();
    REQUIRE(begin(&wait, true, &deadlines) == SL_OK);
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TIMEOUT);
    CHECK_INT(wait.failure.stage, SL_STAGE_CONNECT);
    finish(&wait);

    deadlines = (struct sl_opening_deadlines){SL_NEVER, SL_NEVER, SL_NEVER,
                                              20 * SL_MILLISECOND};
    REQUIRE(begin(&wait, true, &deadlines) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    world_until(&world, &wait.is_done);
    CHECK_INT(wait.status, SL_TIMEOUT);
    CHECK_INT(wait.failure.stage, SL_STAGE_TLS);
    CHECK_STR(wait.failure.reason,
              "handshake not complete within 0.02 s (timeout.tls)");
    finish(&wait);
    close(peer);
    teardown();
}

TEST("leaves nothing behind whenever it is destroyed")
{
    struct sl_view welcoming = SL_VIEW("W\0\0");

    destroy_after_each(NULL, &welcoming, 1);
}

static bool destroy_it(void *owner, const struct sl_tls_certificate *peer,
                       char *reason, size_t reason_size)
{
    (void)owner;
    (void)peer;
    (void)reason;
    (void)reason_size;
    sl_opening_destroy(asked->opening);
    asked->opening = NULL;
    return true;
}

/* The engine that calls this must still be there when it returns. */
TEST("may be destroyed from inside its own handshake")
{
    struct wait wait;
    int64_t until = sl_clock_now() + PATIENCE;
    int peer;

    verify = destroy_it;
    asked = &wait;
    setup();
    REQUIRE(begin(&wait, true, NULL) == SL_OK);
    step_until_held(1);
    peer = script_accept();
    welcome(peer);
    while (wait.opening != NULL && sl_clock_now() < until)
        CHECK_INT(sl_loop_step(&world.loop, SL_MILLISECOND), SL_OK);
    CHECK(wait.opening == NULL);
    CHECK(!wait.is_done);
    verify = NULL;
    close(peer);
    teardown();
}

TEST("releases everything whichever allocation fails")
{
    struct life life = {NULL, SL_VIEW(""), SL_VIEW("W\0\0")};

    test_each_failure(whole_life, &life);
}

int main(void)
{
    return test_main();
}
