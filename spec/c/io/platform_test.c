#include "io/platform.h"

#include "spec/c/io/world.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* From now on this process may not make a ring: containers do that. */
static bool forbid_rings(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What a process without rings must see: 0, or the number of the difference. */
static int without_rings(int error)
{
    const struct sl_backend_class *ring = sl_backend_find("io_uring");
    struct sl_allocator allocator;
    struct sl_backend *backend;
    struct sl_pool pool;
    struct sl_loop loop;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    if (!forbid_rings(error) || sl_loop_init(&loop, &allocator, &pool) != SL_OK)
        return 1;
    if (ring != NULL && ring->is_present())
        return 2;
    if (ring != NULL &&
        sl_loop_backend(&loop, ring, &backend) != SL_UNSUPPORTED)
        return 3;
    /* Quietly something else: this is the process's first look. */
    if (!sl_platform()->is_supported || sl_platform()->backends[0] == ring)
        return 4;
    if (sl_loop_backend(&loop, sl_platform()->backends[0], &backend) != SL_OK)
        return 5;
    return sl_loop_close(&loop, 0) ? 0 : 6;
}

TEST("falls back silently if rings are refused")
{
    static const int errors[] = {EPERM, ENOSYS, ENOMEM};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0)
            _exit(without_rings(errors[i]));
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
}

static void set_flag(void *owner)
{
    *(bool *)owner = true;
}

/* A ring that was available at the first look and is refused later. */
static int without_rings_later(int error)
{
    static struct world world;
    struct sl_connect_options options = {
        .host = "127.0.0.1",
        .mode = SL_TRANSPORT_COMPLETION,
        .resolve_timeout = SL_NEVER,
        .connect_timeout = SL_NEVER,
        .deadline = SL_NEVER,
    };
    struct sl_connector *connector;
    struct sl_transport *transport;
    struct sl_failure failure;
    bool is_done = false;
    int listener = peer_listen(1, &options.port);

    sl_platform();
    if (!forbid_rings(error))
        return 1;
    world_init(&world, NULL);
    if (sl_connect_begin(&world.loop, world.resolver, &options, set_flag,
                         &is_done, &connector) != SL_OK)
        return 2;
    world_until(&world, &is_done);
    if (sl_connect_result(connector, &transport, &failure) != SL_OK)
        return 3;
    sl_connect_destroy(connector);
    sl_transport_close(transport);
    world_fini(&world);
    close(listener);
    return 0;
}

TEST("falls back if a ring is refused later and was not asked for by name")
{
    static const int errors[] = {EPERM, ENOMEM, EMFILE};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0)
            _exit(without_rings_later(errors[i]));
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
}

static int with_descriptors(rlim_t most)
{
    const struct sl_backend_class *ring = sl_backend_find("io_uring");
    struct rlimit limit = {most, most};
    bool is_present = ring != NULL && ring->is_present();

    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    return ring == NULL || ring->is_present() == is_present ? 0 : 2;
}

TEST("running out of descriptors is not a refusal")
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(with_descriptors(3));
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

TEST("names the best backend that is present, and the portable ones always")
{
    const struct sl_platform *platform = sl_platform();
    bool has_poll = false;
    bool has_threads = false;

    CHECK(platform == sl_platform());
    CHECK(platform->is_supported);
    REQUIRE(platform->backends[0] != NULL);
    CHECK_STR(platform->completion_model, platform->backends[0]->name);
    CHECK_STR(platform->expected_benefit, platform->backends[0]->benefit);
    for (size_t i = 0; platform->backends[i] != NULL; i++) {
        const char *name = platform->backends[i]->name;
        bool is_kernels = strcmp(name, "io_uring") == 0 ||
                          strcmp(name, "epoll") == 0 ||
                          strcmp(name, "kqueue") == 0;

        CHECK_STR(platform->backends[i]->benefit, is_kernels ? "full"
                                                  : strcmp(name, "threads") == 0
                                                      ? "reduced"
                                                      : "none");
    }
    for (size_t i = 0; platform->backends[i] != NULL; i++) {
        has_poll |= platform->backends[i] == &sl_backend_poll;
        has_threads |= platform->backends[i] == &sl_backend_threads;
        CHECK(sl_backend_find(platform->backends[i]->name) ==
              platform->backends[i]);
        CHECK(platform->backends[i]->is_present());
    }
    CHECK(has_poll);
    CHECK(has_threads);
    CHECK(sl_backend_find("unheard_of") == NULL);
}

int main(void)
{
    return test_main();
}
