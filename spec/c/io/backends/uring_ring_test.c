/* The ring of a backend; nothing of it where there are no rings. */
#include "spec/c/support/test.h"

#ifdef SL_HAVE_URING
#include "io/backends/uring_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static struct sl_uring_ring ring;

/* False where the kernel grants no ring. */
static bool open_ring(void)
{
    return sl_uring_ring_open(&ring) == 0;
}

/* An entry that is complete as soon as it is handed in. */
static void put_entry(uint64_t mark)
{
    struct io_uring_sqe *entry = sl_uring_ring_entry(&ring);

    REQUIRE(entry != NULL);
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data64(entry, mark);
}

/* Takes the completions that are there; returns the sum of their marks. */
static uint64_t take_marks(void)
{
    struct io_uring_cqe *entry;
    uint64_t sum = 0;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&ring.kernel, head, entry)
    {
        sum += entry->user_data;
        count++;
    }
    io_uring_cq_advance(&ring.kernel, count);
    return sum;
}

static bool is_readable(int fd)
{
    struct pollfd entry = {fd, POLLIN, 0};

    return poll(&entry, 1, 0) == 1;
}

TEST("an entry is pending until it is handed in and its completion taken")
{
    if (!open_ring())
        return;
    CHECK(!sl_uring_ring_has_pending(&ring));
    put_entry(7);
    CHECK(sl_uring_ring_has_pending(&ring));
    CHECK_INT(sl_uring_ring_enter(&ring, SL_NEVER), 0);
    CHECK(sl_uring_ring_has_pending(&ring));
    CHECK_INT(take_marks(), 7);
    CHECK(!sl_uring_ring_has_pending(&ring));
    sl_uring_ring_close(&ring);
}

TEST("a look hands in what there is and does not wait")
{
    if (!open_ring())
        return;
    CHECK_INT(sl_uring_ring_enter(&ring, 0), 0);
    put_entry(3);
    CHECK_INT(sl_uring_ring_enter(&ring, 0), 0);
    CHECK_INT(take_marks(), 3);
    sl_uring_ring_close(&ring);
}

TEST("a wait without a completion ends with its time")
{
    if (!open_ring())
        return;
    CHECK_INT(sl_uring_ring_enter(&ring, SL_MILLISECOND), ETIME);
    CHECK(!sl_uring_ring_has_pending(&ring));
    sl_uring_ring_close(&ring);
}

/* More than the queue has, and more completions than its memory has. */
TEST("a queue that is full is handed in for the next entry")
{
    enum { COUNT = 1000 };
    uint64_t sum = 0;

    if (!open_ring())
        return;
    for (uint64_t i = 1; i <= COUNT; i++)
        put_entry(i);
    while (sl_uring_ring_has_pending(&ring)) {
        CHECK_INT(sl_uring_ring_enter(&ring, 0), 0);
        sum += take_marks();
    }
    CHECK_INT(sum, COUNT * (COUNT + 1) / 2);
    sl_uring_ring_close(&ring);
}

TEST("its event is readable from a completion to the next look")
{
    int fd;

    if (!open_ring())
        return;
    fd = sl_uring_ring_event(&ring);
    REQUIRE(fd >= 0);
    CHECK_INT(sl_uring_ring_event(&ring), fd);
    CHECK(!is_readable(fd));
    put_entry(1);
    CHECK_INT(sl_uring_ring_enter(&ring, 0), 0);
    CHECK(is_readable(fd));
    sl_uring_ring_take_event(&ring);
    CHECK(!is_readable(fd));
    CHECK_INT(take_marks(), 1);
    sl_uring_ring_close(&ring);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
}

TEST("closes its descriptor, unless others have closed it before")
{
    int fd;

    if (!open_ring())
        return;
    fd = ring.kernel.ring_fd;
    sl_uring_ring_close(&ring);
    CHECK_INT(fcntl(fd, F_GETFD), -1);

    REQUIRE(open_ring());
    fd = ring.kernel.ring_fd;
    close(fd);
    REQUIRE(fcntl(STDERR_FILENO, F_DUPFD, fd) == fd);
    sl_uring_ring_break(&ring, EBADF);
    sl_uring_ring_close(&ring);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    close(fd);
}
#endif

int main(void)
{
    return test_main();
}
