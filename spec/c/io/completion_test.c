#include "io/completion.h"

#include "spec/c/io/world.h"

static struct world world;

struct told {
    struct sl_completion completion;
    int times;
    enum sl_status status;
    size_t result;
    struct sl_completion *to_end; /* ended while delivering */
    bool begins_again;
};

static void deliver(struct sl_completion *completion)
{
    struct told *told = (struct told *)(void *)completion;

    CHECK_INT(completion->state, SL_COMPLETION_DONE);
    told->times++;
    told->status = completion->status;
    told->result = completion->result;
    if (told->to_end != NULL)
        sl_completion_fini(told->to_end);
    if (told->begins_again) {
        sl_completion_begin(completion);
        sl_completion_signal(completion, SL_OK, 0);
    }
}

static void init(struct told *told)
{
    memset(told, 0, sizeof *told);
    sl_completion_init(&told->completion, &world.loop, deliver);
}

TEST("is delivered once, by a step, with its result")
{
    struct told told;

    world_init(&world, NULL);
    init(&told);
    CHECK(!sl_completion_is_over(&told.completion));
    sl_completion_begin(&told.completion);
    CHECK_INT(world.loop.operations, 1);
    sl_completion_signal(&told.completion, SL_CLOSED, 17);
    CHECK(sl_completion_is_over(&told.completion));
    CHECK_INT(told.times, 0);
    CHECK_INT(sl_loop_timeout(&world.loop), 0);
    sl_loop_step(&world.loop, 0);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(told.times, 1);
    CHECK_INT(told.status, SL_CLOSED);
    CHECK_INT(told.result, 17);
    world_fini(&world);
}

TEST("its version rises with each use; finished at once, it is not delivered")
{
    struct told told;

    world_init(&world, NULL);
    init(&told);
    for (uint32_t i = 1; i <= 5; i++) {
        sl_completion_begin(&told.completion);
        CHECK_INT(told.completion.version, i);
        sl_completion_finish(&told.completion, SL_OK, i);
        CHECK_INT(told.completion.result, i);
        CHECK_INT(told.completion.state, SL_COMPLETION_DONE);
    }
    sl_loop_step(&world.loop, 0);
    CHECK_INT(told.times, 0);
    CHECK_INT(world.loop.operations, 0);
    world_fini(&world);
}

TEST("may be ended in every state, also while others are delivered")
{
    struct told told[4];

    world_init(&world, NULL);
    for (int i = 0; i < 4; i++) {
        init(&told[i]);
        sl_completion_begin(&told[i].completion);
        sl_completion_signal(&told[i].completion, SL_OK, 0);
    }
    told[0].to_end = &told[1].completion;
    told[2].to_end = &told[3].completion;
    sl_loop_step(&world.loop, 0);
    CHECK_INT(told[0].times, 1);
    CHECK_INT(told[1].times, 0);
    CHECK_INT(told[2].times, 1);
    CHECK_INT(told[3].times, 0);
    sl_completion_begin(&told[0].completion);
    sl_completion_fini(&told[0].completion);
    sl_completion_fini(&told[0].completion);
    world_fini(&world);
}

TEST("what becomes ready during delivery has one more round, then waits")
{
    struct told told;

    world_init(&world, NULL);
    init(&told);
    told.begins_again = true;
    sl_completion_begin(&told.completion);
    sl_completion_signal(&told.completion, SL_OK, 0);
    for (int i = 1; i <= 3; i++) {
        sl_loop_step(&world.loop, SL_NEVER);
        CHECK_INT(told.times, 2 * i);
    }
    sl_completion_fini(&told.completion);
    world_fini(&world);
}

TEST("does not count as an operation in the background")
{
    struct told told;

    world_init(&world, NULL);
    init(&told);
    sl_completion_begin(&told.completion);
    sl_completion_set_background(&told.completion, true);
    sl_completion_set_background(&told.completion, true);
    CHECK_INT(world.loop.operations, 0);
    sl_completion_set_background(&told.completion, false);
    CHECK_INT(world.loop.operations, 1);
    sl_completion_set_background(&told.completion, true);
    sl_completion_signal(&told.completion, SL_OK, 0);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(told.times, 1);
    CHECK_INT(world.loop.operations, 0);
    sl_completion_begin(&told.completion);
    CHECK_INT(world.loop.operations, 1);
    sl_completion_fini(&told.completion);
    world_fini(&world);
}

TEST("a hundred thousand uses allocate nothing")
{
    struct told told;
    uint64_t calls;

    world_init(&world, NULL);
    init(&told);
    calls = world.allocator->calls;
    for (int i = 0; i < 100000; i++) {
        sl_completion_begin(&told.completion);
        sl_completion_signal(&told.completion, SL_OK, 0);
        sl_loop_step(&world.loop, 0);
    }
    CHECK_INT(told.times, 100000);
    CHECK_INT(world.allocator->calls, calls);
    world_fini(&world);
}

int main(void)
{
    return test_main();
}
