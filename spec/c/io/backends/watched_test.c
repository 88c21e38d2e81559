#include "io/backends/watched.h"

#include "io/backend.h"
#include "io/post.h"
#include "spec/c/io/world.h"

TEST("no more descriptors are watched than a loop has, and the last is dropped")
{
    struct sl_watched watched = {0};

    for (int i = 0; i < SL_WATCHED_MOST; i++)
        CHECK_INT(sl_watched_add(&watched, i), SL_OK);
    errno = 0;
    CHECK_INT(sl_watched_add(&watched, SL_WATCHED_MOST), SL_LIMIT);
    CHECK_INT(errno, ENOSPC);
    sl_watched_drop(&watched);
    CHECK_INT(sl_watched_add(&watched, 77), SL_OK);
    CHECK_INT(watched.fds[SL_WATCHED_MOST - 1], 77);
}

TEST("a readable descriptor ends the wait; the wake descriptor is reported")
{
    struct sl_watched watched = {0};
    struct world world;
    int ends[2];

    world_init(&world, NULL);
    REQUIRE(sl_loop_open_posts(&world.loop) == SL_OK);
    REQUIRE(pipe(ends) == 0);
    REQUIRE(sl_watched_add(&watched, ends[0]) == SL_OK);
    REQUIRE(sl_watched_add(&watched, world.loop.wake_fd) == SL_OK);
    sl_watched_wait(&watched, &world.loop, 0);
    CHECK(!world.loop.is_woken);
    REQUIRE(write(ends[1], "x", 1) == 1);
    sl_watched_wait(&watched, &world.loop, SL_NEVER);
    CHECK(!world.loop.is_woken);
    REQUIRE(write(world.loop.wake_write_fd, "x", 1) == 1);
    sl_watched_wait(&watched, &world.loop, SL_NEVER);
    CHECK(world.loop.is_woken);
    close(ends[0]);
    close(ends[1]);
    world_fini(&world);
}

#define OVER (SL_WATCHED_MOST + 1)

/* As SL_LIMIT of a watch promises; descriptors of the test's own, so that a
 * backend may query them. */
static void fill(const struct sl_backend_class *class)
{
    struct sl_backend *backend;
    struct world world;
    int ends[OVER][2];
    int refused = 0;

    for (int i = 0; i < OVER; i++)
        REQUIRE(pipe(ends[i]) == 0);
    world_init(&world, NULL);
    if (sl_loop_backend(&world.loop, class, &backend) == SL_OK) {
        for (int i = 0; i < OVER; i++) {
            errno = 0;
            if (backend->class->watch(backend, ends[i][0]) == SL_OK)
                continue;
            CHECK_INT(errno, ENOSPC);
            refused++;
        }
        CHECK(refused > 0);
    }
    world_fini(&world);
    for (int i = 0; i < OVER; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

TEST("backends that have no room for a watch say so")
{
    static const char *const names[] = {"threads", "io_uring"};

    for (size_t i = 0; i < 2; i++) {
        const struct sl_backend_class *class = sl_backend_find(names[i]);

        if (class != NULL)
            fill(class);
    }
}

int main(void)
{
    return test_main();
}
