#include "io/loop.h"

#include "spec/c/io/world.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct world world;

static bool is_readable(int fd)
{
    struct pollfd entry = {fd, POLLIN, 0};

    return poll(&entry, 1, 0) == 1;
}

/* ---- timers ---- */

struct alarm {
    struct sl_timer timer;
    int fired;
    bool arms_again;
};

static void fire(struct sl_timer *timer)
{
    struct alarm *alarm = (struct alarm *)(void *)timer;

    CHECK(!timer->is_armed);
    alarm->fired++;
    if (alarm->arms_again)
        sl_timer_arm(&world.loop.timers, timer, world.loop.now);
}

TEST("opens no descriptor until it is needed")
{
    size_t before = count_descriptors();

    world_init(&world, NULL);
    sl_loop_step(&world.loop, 0);
    sl_loop_step(&world.loop, SL_NEVER); /* nothing could end it: returns */
    CHECK_INT(count_descriptors(), before);
    CHECK_INT(sl_loop_timeout(&world.loop), SL_NEVER);
    world_fini(&world);
}

TEST("fires a timer when it is due and not before")
{
    struct alarm alarm = {.fired = 0};
    int64_t due;

    world_init(&world, NULL);
    sl_timer_init(&alarm.timer, fire);
    due = sl_loop_refresh(&world.loop) + 5 * SL_MILLISECOND;
    sl_timer_arm(&world.loop.timers, &alarm.timer, due);
    CHECK(sl_loop_timeout(&world.loop) <= 5 * SL_MILLISECOND);
    while (alarm.fired == 0) {
        sl_loop_step(&world.loop, SL_NEVER);
        CHECK_INT(alarm.fired, world.loop.now >= due);
    }
    CHECK_INT(alarm.fired, 1);
    CHECK(world.loop.now >= due);
    world_fini(&world);
}

TEST("a timer that arms itself for now fires once a step")
{
    struct alarm alarm = {.arms_again = true};

    world_init(&world, NULL);
    sl_timer_init(&alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &alarm.timer, 0);
    for (int i = 1; i <= 3; i++) {
        sl_loop_step(&world.loop, SL_NEVER);
        CHECK_INT(alarm.fired, i);
    }
    sl_timer_disarm(&world.loop.timers, &alarm.timer);
    world_fini(&world);
}

static void take_turn(struct sl_timer *timer)
{
    struct alarm *alarm = (struct alarm *)(void *)timer;

    alarm->fired++;
    sl_timer_arm(&world.loop.timers, timer, sl_loop_next_turn(&world.loop));
}

TEST("a turn comes once a step, however many timers there are")
{
    struct alarm turn = {.fired = 0};
    struct alarm others[10] = {{.fired = 0}};

    world_init(&world, NULL);
    for (size_t i = 0; i < 10; i++) {
        sl_timer_init(&others[i].timer, fire);
        sl_timer_arm(&world.loop.timers, &others[i].timer, SL_NEVER - 1);
    }
    sl_timer_init(&turn.timer, take_turn);
    sl_timer_arm(&world.loop.timers, &turn.timer,
                 sl_loop_next_turn(&world.loop));
    for (int i = 1; i <= 3; i++) {
        sl_loop_step(&world.loop, SL_NEVER);
        CHECK_INT(turn.fired, i);
    }
    sl_timer_disarm(&world.loop.timers, &turn.timer);
    for (size_t i = 0; i < 10; i++)
        sl_timer_disarm(&world.loop.timers, &others[i].timer);
    world_fini(&world);
}

static struct alarm answered_alarm;

static void answer(struct sl_completion *completion)
{
    CHECK_INT(answered_alarm.fired, 0);
    sl_timer_disarm(&completion->loop->timers, &answered_alarm.timer);
}

TEST("bytes that arrived in time are delivered before their deadline")
{
    struct sl_completion completion;

    world_init(&world, NULL);
    sl_timer_init(&answered_alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &answered_alarm.timer, 0);
    sl_completion_init(&completion, &world.loop, answer);
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(completion.state, SL_COMPLETION_DONE);
    CHECK_INT(answered_alarm.fired, 0);
    world_fini(&world);
}

/* ---- one thread, one process, one step at a time ---- */

static void step_within(struct sl_completion *completion)
{
    CHECK_INT(sl_loop_step(completion->loop, 0), SL_MISUSE);
}

/* ---- starts ---- */

struct beginning {
    struct sl_completion start;
    struct sl_completion other; /* delivered besides */
    int order;                  /* of beginning, from 1 */
};

static int begun;
static int others;

static void begin_one(struct sl_completion *start)
{
    ((struct beginning *)(void *)start)->order = ++begun;
}

static void count_other(struct sl_completion *other)
{
    (void)other;
    others++;
}

static void signal_one(struct sl_completion *completion)
{
    sl_completion_begin(completion);
    sl_completion_signal(completion, SL_OK, 0);
}

TEST("begins a bounded number of starts in a step, in their order")
{
    static struct beginning many[500];
    int steps = 0;
    int before = 0;

    begun = 0;
    world_init(&world, NULL);
    for (int i = 0; i < 500; i++) {
        sl_completion_init(&many[i].start, &world.loop, begin_one);
        many[i].start.is_start = true;
        signal_one(&many[i].start);
    }
    CHECK_INT(sl_loop_timeout(&world.loop), 0);
    while (begun < 500 && steps < 1000) {
        CHECK_INT(sl_loop_step(&world.loop, SL_NEVER), SL_OK);
        CHECK(begun > before);
        CHECK(begun - before <= 50);
        before = begun;
        steps++;
    }
    CHECK_INT(begun, 500);
    for (int i = 0; i < 500; i++)
        CHECK_INT(many[i].order, i + 1);
    CHECK_INT(world.loop.operations, 0);
    world_fini(&world);
}

TEST("begins fewer where much else is delivered, but always some")
{
    static struct beginning many[200];

    begun = others = 0;
    world_init(&world, NULL);
    for (int i = 0; i < 200; i++) {
        sl_completion_init(&many[i].start, &world.loop, begin_one);
        many[i].start.is_start = true;
        signal_one(&many[i].start);
        sl_completion_init(&many[i].other, &world.loop, count_other);
        signal_one(&many[i].other);
    }
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK_INT(others, 200);
    CHECK(begun > 0);
    CHECK(begun <= 10);
    /* One that ends before it has begun leaves no hole. */
    sl_completion_fini(&many[begun].start);
    sl_completion_fini(&many[199].start);
    for (int i = 0; i < 20; i++)
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK_INT(begun, 198);
    CHECK_INT(world.loop.operations, 0);
    world_fini(&world);
}

/* ---- steps ---- */

TEST("refuses a step inside a step")
{
    struct sl_completion completion;

    world_init(&world, NULL);
    sl_completion_init(&completion, &world.loop, step_within);
    sl_completion_begin(&completion);
    sl_completion_signal(&completion, SL_OK, 0);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    world_fini(&world);
}

static void *step_elsewhere(void *argument)
{
    struct sl_backend *backend;

    CHECK_INT(sl_loop_step(argument, 0), SL_MISUSE);
    CHECK_INT(sl_loop_check(argument), SL_MISUSE);
    CHECK_INT(sl_loop_backend(argument, NULL, &backend), SL_MISUSE);
    return NULL;
}

TEST("refuses another thread")
{
    pthread_t thread;

    world_init(&world, NULL);
    REQUIRE(pthread_create(&thread, NULL, step_elsewhere, &world.loop) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    world_fini(&world);
}

/* The child's view of a loop with a connection on each backend. */
static int child_of_fork(struct end *ends, size_t count)
{
    if (sl_loop_check(&world.loop) != SL_MISUSE ||
        sl_loop_step(&world.loop, 0) != SL_MISUSE)
        return 1;
    for (size_t i = 0; i < count; i++)
        sl_transport_abort(ends[i].transport);
    sl_resolver_destroy(world.resolver);
    sl_loop_close(&world.loop, SL_SECOND);
    return 0;
}

TEST("is inert in a child of fork, and the parent goes on")
{
    struct manner list[MANNERS_MOST];
    struct end ends[MANNERS_MOST];
    int theirs[MANNERS_MOST];
    size_t count = manners(list);
    size_t received;
    pid_t child;
    int status;

    world_init(&world, NULL);
    for (size_t i = 0; i < count; i++) {
        int ours;

        peer_tcp(&ours, &theirs[i]);
        end_init(&ends[i], &world, &list[i], ours);
        CHECK_INT(sl_transport_receive(ends[i].transport, &ends[i].buffer, 100,
                                       &received),
                  SL_AGAIN);
    }
    world_settle(&world);
    child = fork();
    if (child == 0)
        _exit(child_of_fork(ends, count));
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (size_t i = 0; i < count; i++) {
        test_note("%s over %s", mode_name(list[i].mode), list[i].backend->name);
        peer_send(theirs[i], "still here");
        check_received(&ends[i], "still here");
        end_fini(&ends[i]);
        close(theirs[i]);
    }
    world_fini(&world);
}

static int lock_pipe[2];

static void *hold_lock(void *argument)
{
    char byte;

    pthread_mutex_lock(&world.loop.post_lock);
    REQUIRE(write(lock_pipe[1], "x", 1) == 1);
    REQUIRE(read(lock_pipe[0], &byte, 1) == 1);
    pthread_mutex_unlock(&world.loop.post_lock);
    return argument;
}

TEST("a child of fork closes though a thread was posting at that moment")
{
    int theirs[2];
    pthread_t thread;
    pid_t child;
    char byte;
    int status;

    world_init(&world, NULL);
    REQUIRE(sl_loop_open_posts(&world.loop) == SL_OK);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, theirs) == 0);
    lock_pipe[0] = lock_pipe[1] = theirs[1];
    REQUIRE(pthread_create(&thread, NULL, hold_lock, NULL) == 0);
    REQUIRE(read(theirs[0], &byte, 1) == 1);
    child = fork();
    if (child == 0) {
        alarm(PATIENCE / SL_SECOND);
        _exit(sl_loop_close(&world.loop, SL_SECOND) ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    REQUIRE(write(theirs[0], "x", 1) == 1);
    pthread_join(thread, NULL);
    close(theirs[0]);
    close(theirs[1]);
    world_fini(&world);
}

/* ---- posts ---- */

struct letter {
    struct sl_post post;
    int number;
    int *last;
    bool *is_all;
    int count;
};

static void arrive(struct sl_post *post)
{
    struct letter *letter = (struct letter *)(void *)post;

    CHECK_INT(letter->number, *letter->last + 1);
    *letter->last = letter->number;
    *letter->is_all = letter->number == letter->count;
}

#define LETTERS 1000

static struct letter letters[LETTERS];

static void *post_all(void *argument)
{
    for (int i = 0; i < LETTERS; i++)
        sl_loop_post(argument, &letters[i].post);
    return NULL;
}

static void write_letters(int *last, bool *is_all)
{
    *last = 0;
    *is_all = false;
    for (int i = 0; i < LETTERS; i++)
        letters[i] = (struct letter){.post.arrive = arrive,
                                     .number = i + 1,
                                     .last = last,
                                     .is_all = is_all,
                                     .count = LETTERS};
}

static void posts_over(const struct sl_backend_class *class)
{
    struct sl_backend *backend;
    pthread_t thread;
    int last;
    bool is_all;

    world_init(&world, NULL);
    if (class != NULL)
        CHECK_INT(sl_loop_backend(&world.loop, class, &backend), SL_OK);
    CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
    CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
    for (int round = 0; round < 3; round++) {
        write_letters(&last, &is_all);
        REQUIRE(pthread_create(&thread, NULL, post_all, &world.loop) == 0);
        world_until(&world, &is_all);
        pthread_join(thread, NULL);
        CHECK_INT(last, LETTERS);
    }
    world_fini(&world);
}

TEST("posts from another thread arrive in order and end a wait")
{
    posts_over(NULL);
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++) {
        test_note("%s", sl_platform()->backends[i]->name);
        posts_over(sl_platform()->backends[i]);
    }
}

static void wake_up_seen_early(const struct sl_backend_class *class)
{
    struct sl_backend *backend;
    int64_t began;
    int last;
    bool is_all;

    world_init(&world, NULL);
    CHECK_INT(sl_loop_backend(&world.loop, class, &backend), SL_OK);
    CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    write_letters(&last, &is_all);
    post_all(&world.loop);
    /* As somebody does who wants to know whether a connection is quiet. */
    for (int i = 0; i < 3; i++)
        class->wait(backend, 0);
    began = sl_clock_now();
    while (!is_all && sl_clock_now() - began < PATIENCE)
        CHECK_INT(sl_loop_step(&world.loop, 2 * PATIENCE), SL_OK);
    CHECK(sl_clock_now() - began < PATIENCE);
    CHECK_INT(last, LETTERS);
    world_fini(&world);
}

TEST("posts whose wake-up was seen between two steps do not wait")
{
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++) {
        test_note("%s", sl_platform()->backends[i]->name);
        wake_up_seen_early(sl_platform()->backends[i]);
    }
    test_note(" ");
}

TEST("posts that are still pending arrive when the loop is closed")
{
    int last;
    bool is_all;

    world_init(&world, NULL);
    CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
    write_letters(&last, &is_all);
    post_all(&world.loop);
    world_fini(&world);
    CHECK_INT(last, LETTERS);
}

/* ---- an outer loop ---- */

static void outer_loop_over(const struct manner *manner)
{
    struct end end;
    int ours;
    int theirs;
    int fd;
    size_t received;

    world_init(&world, NULL);
    fd = sl_loop_pollfd(&world.loop);
    CHECK(fd >= 0);
    peer_tcp(&ours, &theirs);
    end_init(&end, &world, manner, ours);
    CHECK_INT(sl_loop_pollfd(&world.loop), fd);
    CHECK_INT(sl_transport_receive(end.transport, &end.buffer, 10, &received),
              SL_AGAIN);
    world_settle(&world);
    CHECK(!is_readable(fd));
    peer_send(theirs, "knock");
    for (int i = 0; !end.can_receive; i++) {
        struct pollfd entry = {fd, POLLIN, 0};
        int64_t timeout = sl_loop_timeout(&world.loop);
        int most = timeout > PATIENCE ? (int)(PATIENCE / SL_MILLISECOND)
                                      : sl_wait_milliseconds(timeout);

        REQUIRE(i < 1000);
        /* Nothing else could have shown it. */
        if (poll(&entry, 1, most) == 0)
            CHECK(timeout < PATIENCE);
        CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    }
    check_received(&end, "knock");
    end_fini(&end);
    close(theirs);
    world_fini(&world);
}

TEST("one descriptor shows an outer loop the events of every backend")
{
    each_manner(outer_loop_over);
}

TEST("the descriptor for an outer loop shows posts, whenever it was made")
{
    for (int is_first = 0; is_first < 2; is_first++) {
        int last;
        bool is_all;
        int fd;

        world_init(&world, NULL);
        if (is_first)
            CHECK(sl_loop_pollfd(&world.loop) >= 0);
        CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
        fd = sl_loop_pollfd(&world.loop);
        CHECK(!is_readable(fd));
        write_letters(&last, &is_all);
        post_all(&world.loop);
        CHECK(is_readable(fd));
        sl_loop_step(&world.loop, 0);
        CHECK(is_all);
        CHECK(!is_readable(fd));
        world_fini(&world);
    }
}

static void begun_outside(const struct sl_backend_class *class)
{
    struct sl_backend *backend;
    struct sl_completion completion;
    int fd;

    world_init(&world, NULL);
    if (class != NULL)
        REQUIRE(sl_loop_backend(&world.loop, class, &backend) == SL_OK);
    fd = sl_loop_pollfd(&world.loop);
    world_settle(&world);
    CHECK(!is_readable(fd));
    sl_completion_init(&completion, &world.loop, NULL);
    for (int i = 0; i < 3; i++) {
        sl_completion_begin(&completion);
        CHECK(is_readable(fd));
        sl_loop_step(&world.loop, 0);
        CHECK(!is_readable(fd));
        sl_completion_signal(&completion, SL_OK, 0);
        CHECK(is_readable(fd));
        /* A query for quiet connections does not take it away. */
        sl_loop_take_posts(&world.loop);
        CHECK(is_readable(fd));
        sl_loop_step(&world.loop, 0);
        CHECK_INT(completion.state, SL_COMPLETION_DONE);
        CHECK(!is_readable(fd));
    }
    world_fini(&world);
}

TEST("one byte wakes a host, whatever errno was before")
{
    char bytes[8];

    world_init(&world, NULL);
    CHECK_INT(sl_loop_open_posts(&world.loop), SL_OK);
    errno = EINTR;
    sl_loop_wake_host(&world.loop);
    CHECK_INT(read(world.loop.wake_fd, bytes, sizeof bytes), 1);
    world_fini(&world);
}

TEST(
    "what is begun outside a step makes the descriptor readable until the next")
{
    begun_outside(NULL);
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++) {
        test_note("%s", sl_platform()->backends[i]->name);
        begun_outside(sl_platform()->backends[i]);
    }
    test_note(" ");
}

TEST("the descriptor is readable for work begun before it was made")
{
    struct alarm alarm = {.fired = 0};
    struct sl_completion completion;

    world_init(&world, NULL);
    sl_completion_init(&completion, &world.loop, NULL);
    sl_completion_begin(&completion);
    CHECK(is_readable(sl_loop_pollfd(&world.loop)));
    sl_completion_finish(&completion, SL_OK, 0);
    world_fini(&world);
    world_init(&world, NULL);
    sl_timer_init(&alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &alarm.timer, 0);
    CHECK(is_readable(sl_loop_pollfd(&world.loop)));
    sl_loop_step(&world.loop, 0);
    CHECK_INT(alarm.fired, 1);
    CHECK(!is_readable(sl_loop_pollfd(&world.loop)));
    world_fini(&world);
}

/* A host that steps when the descriptor is readable and at no other time. */
static void driven_by_descriptor(const struct manner *manner)
{
    struct end end;
    int ours;
    int theirs;
    int fd;
    size_t received;

    if (manner->backend == &sl_backend_poll)
        return; /* has no descriptor that shows sockets */
    world_init(&world, NULL);
    peer_tcp(&ours, &theirs);
    fd = sl_loop_pollfd(&world.loop);
    end_init(&end, &world, manner, ours);
    for (int i = 0; i < 3; i++) {
        end.can_receive = false;
        CHECK_INT(
            sl_transport_receive(end.transport, &end.buffer, 1, &received),
            SL_AGAIN);
        peer_send(theirs, "x");
        while (!end.can_receive) {
            struct pollfd entry = {fd, POLLIN, 0};

            REQUIRE(poll(&entry, 1, (int)(PATIENCE / SL_MILLISECOND)) == 1);
            do
                CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
            while (sl_loop_timeout(&world.loop) == 0);
        }
        check_received(&end, "x");
        world_settle(&world);
    }
    end_fini(&end);
    close(theirs);
    world_fini(&world);
}

TEST("a host that only polls the descriptor completes all work")
{
    each_manner(driven_by_descriptor);
}

/* ---- several backends in one loop ---- */

TEST("waits for all backends at once, whatever the order they were opened in")
{
    struct manner list[MANNERS_MOST];
    struct end ends[MANNERS_MOST];
    int theirs[MANNERS_MOST];
    size_t count = manners(list);

    for (size_t first = 0; first < count; first++) {
        world_init(&world, NULL);
        for (size_t i = 0; i < count; i++) {
            int ours;

            peer_tcp(&ours, &theirs[i]);
            end_init(&ends[i], &world, &list[(first + i) % count], ours);
        }
        for (size_t i = 0; i < count; i++) {
            size_t received;

            test_note("from %zu: %s over %s", first,
                      mode_name(list[(first + i) % count].mode),
                      list[(first + i) % count].backend->name);
            CHECK_INT(sl_transport_receive(ends[i].transport, &ends[i].buffer,
                                           100, &received),
                      SL_AGAIN);
            world_settle(&world);
            peer_send(theirs[i], "to each its own");
            CHECK(world_until(&world, &ends[i].can_receive));
            check_received(&ends[i], "to each its own");
        }
        for (size_t i = 0; i < count; i++) {
            end_fini(&ends[i]);
            close(theirs[i]);
        }
        world_fini(&world);
    }
}

#define CROWD 450 /* more than three waits of epoll report */

static size_t count_told(const struct end *ends)
{
    size_t told = 0;

    for (size_t i = 0; i < CROWD; i++)
        told += ends[i].can_receive;
    return told;
}

static void crowd_beside(const struct sl_backend_class *class)
{
    /* The best there is for streams. */
    static const struct manner manner = {SL_TRANSPORT_STREAM, NULL};
    static struct end ends[CROWD];
    static int theirs[CROWD];
    struct sl_backend *backend;
    int64_t until;

    test_note("beside %s", class->name);
    world_init(&world, NULL);
    REQUIRE(sl_loop_backend(&world.loop, class, &backend) == SL_OK);
    for (size_t i = 0; i < CROWD; i++) {
        size_t received;
        int ours;

        peer_pair(&ours, &theirs[i]);
        end_init(&ends[i], &world, &manner, ours);
        CHECK_INT(sl_transport_receive(ends[i].transport, &ends[i].buffer, 1,
                                       &received),
                  SL_AGAIN);
    }
    world_settle(&world);
    for (size_t i = 0; i < CROWD; i++)
        peer_send(theirs[i], "x");
    /* No step may sleep while something is there. */
    until = sl_clock_now() + PATIENCE;
    while (count_told(ends) < CROWD && sl_clock_now() < until)
        sl_loop_step(&world.loop, PATIENCE);
    CHECK(sl_clock_now() < until);
    CHECK_INT(count_told(ends), CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        end_fini(&ends[i]);
        close(theirs[i]);
    }
    world_fini(&world);
}

TEST("delivers more events than one wait can report, in every backend")
{
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++)
        crowd_beside(sl_platform()->backends[i]);
}

/* ---- late steps ---- */

struct late {
    struct end end;
    struct sl_timer timer;
    int theirs;
    size_t expected;
    bool is_over;
    bool has_failed;
};

static void late_fire(struct sl_timer *timer)
{
    struct late *late =
        (struct late *)(void *)((char *)timer - offsetof(struct late, timer));

    late->has_failed = true;
}

static void late_receive(void *owner)
{
    struct late *late = owner;
    size_t received;
    enum sl_status status;

    do
        status = sl_transport_receive(late->end.transport, &late->end.buffer,
                                      SL_TRANSPORT_BUFFER_SIZE, &received);
    while (status == SL_OK && late->end.buffer.length < late->expected);
    late->is_over = late->end.buffer.length == late->expected;
    if (late->is_over)
        sl_timer_disarm(&world.loop.timers, &late->timer);
}

static const struct sl_transport_events late_events = {late_receive,
                                                       late_receive};

static void late_init(struct late *late, const struct manner *manner,
                      size_t expected, int64_t due)
{
    int ours;

    memset(late, 0, sizeof *late);
    peer_pair(&ours, &late->theirs);
    end_init(&late->end, &world, manner, ours);
    late->expected = expected;
    sl_timer_init(&late->timer, late_fire);
    sl_timer_arm(&world.loop.timers, &late->timer, due);
    sl_transport_bind(late->end.transport, &late_events, late);
    late_receive(late);
    CHECK(!late->is_over);
}

static void late_fini(struct late *late)
{
    sl_timer_disarm(&world.loop.timers, &late->timer);
    end_fini(&late->end);
    close(late->theirs);
}

static void be_busy_until(int64_t due)
{
    while (sl_clock_now() <= due)
        continue;
}

static void late_crowd(const struct manner *manner)
{
    static struct late crowd[CROWD];
    size_t in_time = 0;
    int64_t due;

    world_init(&world, NULL);
    due = sl_clock_now() + SL_SECOND * 1000;
    for (size_t i = 0; i < CROWD; i++)
        late_init(&crowd[i], manner, 1, due);
    world_settle(&world);
    due = sl_clock_now();
    for (size_t i = 0; i < CROWD; i++) {
        sl_timer_arm(&world.loop.timers, &crowd[i].timer, due);
        peer_send(crowd[i].theirs, "x");
    }
    be_busy_until(due);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    for (size_t i = 0; i < CROWD; i++)
        in_time += crowd[i].is_over && !crowd[i].has_failed;
    CHECK_INT(in_time, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        late_fini(&crowd[i]);
    world_fini(&world);
}

TEST("bytes in time on many sockets are delivered however late the step")
{
    each_manner(late_crowd);
}

#define LONG_ANSWER ((size_t)60 * 1000)

static void late_answer(const struct manner *manner)
{
    static char bytes[LONG_ANSWER];
    struct late late;
    int64_t due;

    world_init(&world, NULL);
    late_init(&late, manner, LONG_ANSWER, SL_NEVER - 1);
    world_settle(&world);
    REQUIRE(send(late.theirs, bytes, sizeof bytes, MSG_DONTWAIT) ==
            (ssize_t)sizeof bytes);
    due = sl_clock_now();
    sl_timer_arm(&world.loop.timers, &late.timer, due);
    be_busy_until(due);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    CHECK(late.is_over);
    CHECK(!late.has_failed);
    late_fini(&late);
    world_fini(&world);
}

TEST("an answer in time is received whole, however late the step is")
{
    each_manner(late_answer);
}

static void late_nothing(const struct manner *manner)
{
    struct late late;

    world_init(&world, NULL);
    late_init(&late, manner, 2, sl_clock_now());
    peer_send(late.theirs, "x");
    world_settle(&world);
    CHECK(late.has_failed);
    CHECK(!late.is_over);
    late_fini(&late);
    world_fini(&world);
}

TEST("bytes that arrive too late are late")
{
    each_manner(late_nothing);
}

/* Its own peer, always faster: each byte that is taken is followed by another,
 * before the next call. */
static void crowd_without_end(const struct sl_backend_class *class)
{
    static struct end ends[CROWD];
    static int theirs[CROWD];
    struct manner manner = {class->has_readiness ? SL_TRANSPORT_STREAM
                                                 : SL_TRANSPORT_COMPLETION,
                            class};
    struct sl_backend *backend;
    size_t waits = 0;

    world_init(&world, NULL);
    REQUIRE(sl_loop_backend(&world.loop, class, &backend) == SL_OK);
    for (size_t i = 0; i < CROWD; i++) {
        size_t received;
        int ours;

        peer_pair(&ours, &theirs[i]);
        end_init(&ends[i], &world, &manner, ours);
        CHECK_INT(sl_transport_receive(ends[i].transport, &ends[i].buffer, 1,
                                       &received),
                  SL_AGAIN);
    }
    world_settle(&world);
    CHECK_INT(backend->unreported, 0);
    do {
        for (size_t i = 0; i < CROWD; i++)
            peer_send(theirs[i], "x");
        class->wait(backend, 0);
        waits++;
    } while (backend->unreported > 0 && waits < CROWD);
    test_note("%s: %zu waits", class->name, waits);
    CHECK(waits <= CROWD / 18);
    CHECK_INT(sl_loop_step(&world.loop, 0), SL_OK);
    if (class->tells_all)
        CHECK_INT(count_told(ends), CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        end_fini(&ends[i]);
        close(theirs[i]);
    }
    world_fini(&world);
}

TEST("a look at the sockets ends even if peers are always faster")
{
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++)
        crowd_without_end(sl_platform()->backends[i]);
    test_note(" ");
}

/* A task that waits for one that waits for one that has the answer. */
struct link {
    struct sl_completion completion;
    struct link *next;
};

static void pass_on(struct sl_completion *completion)
{
    struct link *link = (struct link *)(void *)completion;

    if (link->next != NULL)
        sl_completion_signal(&link->next->completion, SL_OK, 0);
    else
        answer(completion);
}

TEST("a result in time reaches the last of a chain of waiters in time")
{
    struct link chain[6];

    world_init(&world, NULL);
    answered_alarm.fired = 0;
    sl_timer_init(&answered_alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &answered_alarm.timer, 0);
    for (size_t i = 0; i < 6; i++) {
        sl_completion_init(&chain[i].completion, &world.loop, pass_on);
        sl_completion_begin(&chain[i].completion);
        chain[i].next = i < 5 ? &chain[i + 1] : NULL;
    }
    sl_completion_signal(&chain[0].completion, SL_OK, 0);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(chain[5].completion.state, SL_COMPLETION_DONE);
    CHECK_INT(answered_alarm.fired, 0);
    world_fini(&world);
}

static struct sl_completion lowered;

static void lower(struct sl_timer *timer)
{
    (void)timer;
    sl_completion_signal(&lowered, SL_OK, 0);
}

TEST("what a timer makes ready is delivered before a later one that is late, "
     "too")
{
    struct sl_timer first;

    world_init(&world, NULL);
    answered_alarm.fired = 0;
    sl_timer_init(&answered_alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &answered_alarm.timer, 2);
    sl_timer_init(&first, lower);
    sl_timer_arm(&world.loop.timers, &first, 1);
    sl_completion_init(&lowered, &world.loop, answer);
    sl_completion_begin(&lowered);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(lowered.state, SL_COMPLETION_DONE);
    CHECK_INT(answered_alarm.fired, 0);
    world_fini(&world);
}

static void wait_for_ever(struct sl_completion *completion)
{
    sl_completion_begin(completion);
    sl_completion_signal(completion, SL_OK, 0);
}

TEST("a late timer fires even if something is always ready")
{
    struct alarm alarm = {.fired = 0};
    struct sl_completion completion;

    world_init(&world, NULL);
    sl_timer_init(&alarm.timer, fire);
    sl_timer_arm(&world.loop.timers, &alarm.timer, 0);
    sl_completion_init(&completion, &world.loop, wait_for_ever);
    wait_for_ever(&completion);
    sl_loop_step(&world.loop, 0);
    CHECK_INT(alarm.fired, 1);
    sl_completion_fini(&completion);
    world_fini(&world);
}

/* ---- polling before it blocks ---- */

static void spin_over(const struct manner *manner)
{
    struct alarm alarm = {.fired = 0};
    struct end end;
    int ours;
    int theirs;

    world_init(&world, NULL);
    world.loop.spin = 50000;
    peer_tcp(&ours, &theirs);
    end_init(&end, &world, manner, ours);
    for (int i = 0; i < 50; i++) {
        peer_send(theirs, "quick");
        check_received(&end, "quick");
    }
    CHECK(world.loop.usual_wait < SL_SECOND);
    /* Nothing comes: the deadline holds, and it learns not to try. */
    sl_timer_init(&alarm.timer, fire);
    for (int i = 0; i < 20; i++) {
        size_t received;

        CHECK_INT(
            sl_transport_receive(end.transport, &end.buffer, 9, &received),
            SL_AGAIN);
        sl_timer_arm(&world.loop.timers, &alarm.timer,
                     sl_loop_refresh(&world.loop) + 2 * SL_MILLISECOND);
        while (alarm.fired <= i)
            sl_loop_step(&world.loop, SL_NEVER);
    }
    CHECK(world.loop.usual_wait > 2 * world.loop.spin);
    peer_send(theirs, "at last");
    check_received(&end, "at last");
    end_fini(&end);
    close(theirs);
    world_fini(&world);
}

TEST("polls before it blocks only if that has helped before")
{
    each_manner(spin_over);
}

/* ---- want of descriptors and memory ---- */

static void with_descriptors(rlim_t more, void (*body)(void))
{
    struct rlimit before;
    struct rlimit limit;
    int lowest = dup(0);

    REQUIRE(lowest >= 0);
    close(lowest);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest + more;
    setrlimit(RLIMIT_NOFILE, &limit);
    body();
    setrlimit(RLIMIT_NOFILE, &before);
}

static size_t refused;

static void open_everything(void)
{
    struct sl_backend *backend;

    if (sl_loop_open_posts(&world.loop) != SL_OK) {
        CHECK_INT(errno, EMFILE);
        refused++;
    }
    if (sl_loop_pollfd(&world.loop) < 0) {
        CHECK_INT(errno, EMFILE);
        refused++;
    }
    for (size_t i = 0; sl_backend_classes[i] != NULL; i++) {
        enum sl_status status =
            sl_loop_backend(&world.loop, sl_backend_classes[i], &backend);

        if (status != SL_OK) {
            CHECK_INT(status, SL_LIMIT);
            refused++;
        }
    }
}

TEST("without descriptors it answers SL_LIMIT and works when there are some")
{
    size_t most = 0;

    for (rlim_t more = 0; more < 12; more++) {
        test_note("%d descriptors", (int)more);
        world_init(&world, NULL);
        refused = 0;
        with_descriptors(more, open_everything);
        most += refused;
        refused = 0;
        open_everything();
        CHECK_INT(refused, 0);
        sl_loop_step(&world.loop, 0);
        world_fini(&world);
    }
    CHECK(most > 10);
}

static void open_all_with(struct sl_allocator *allocator, void *argument)
{
    struct sl_backend *backend;

    (void)argument;
    if (!world_open(&world, allocator, NULL)) {
        CHECK(test_allocator_has_failed(allocator));
        return;
    }
    for (size_t i = 0; sl_platform()->backends[i] != NULL; i++) {
        enum sl_status status =
            sl_loop_backend(&world.loop, sl_platform()->backends[i], &backend);

        CHECK(status == SL_OK ||
              (status == SL_MEMORY && test_allocator_has_failed(allocator)));
    }
    sl_loop_step(&world.loop, 0);
    world_close(&world);
}

TEST("opens all backends or says SL_MEMORY, at each failing allocation")
{
    test_each_failure(open_all_with, NULL);
}

int main(void)
{
    return test_main();
}
