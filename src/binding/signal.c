#include "binding/signal.h"

#include "task/outcome.h"
#include "task/seconds.h"
#include "task/userdata.h"
#include "task/wait.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char signal_type[] = "sluice.signal";

/* Lua's handle. */
struct handle {
    struct slb_runtime *runtime;  /* NULL: finalised */
    struct sluice_signal *signal; /* NULL: not made, or its result is here */
    struct sl_completion pending; /* under way, so that the loop goes on */
    struct slb_ticket *waiters;
    bool is_over;
};

/* The result of a handle is its user value. */
enum { HANDLE_RESULT = 1 };

struct sluice_signal {
    pthread_mutex_t lock;
    struct sl_loop *loop;  /* under `lock`; NULL: the handle is gone */
    struct sl_post post;   /* holds the signal until it arrives */
    struct handle *handle; /* read by the loop's thread; NULL: it is gone */
    char *bytes;
    size_t size;
};

/* The thread that signalled may be about to release the lock. */
static void destroy(struct sluice_signal *signal)
{
    pthread_mutex_lock(&signal->lock);
    pthread_mutex_unlock(&signal->lock);
    pthread_mutex_destroy(&signal->lock);
    free(signal->bytes);
    free(signal);
}

/* On the loop's thread. The bytes stay here until somebody awaits them. */
static void arrive(struct sl_post *post)
{
    struct sluice_signal *signal =
        (struct sluice_signal *)((char *)post -
                                 offsetof(struct sluice_signal, post));
    struct handle *handle = signal->handle;

    if (handle == NULL) {
        destroy(signal);
        return;
    }
    handle->is_over = true;
    sl_completion_fini(&handle->pending);
    slb_signal_all(&handle->waiters, SL_OK);
}

bool slb_signal(struct sluice_signal *signal, const void *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    bool is_alone;

    if (copy == NULL)
        return false;
    if (size > 0)
        memcpy(copy, bytes, size);
    pthread_mutex_lock(&signal->lock);
    signal->bytes = copy;
    signal->size = size;
    is_alone = signal->loop == NULL;
    if (!is_alone) /* under the lock, so that the loop is there */
        sl_loop_post(signal->loop, &signal->post);
    pthread_mutex_unlock(&signal->lock);
    if (is_alone)
        destroy(signal);
    return true;
}

/* The last state that closes unloads the module, and with it the code that a
 * thread is about to call: from now on the module stays. */
static void stay_loaded(void)
{
    Dl_info info;

    if (dladdr(signal_type, &info) != 0 && info.dli_fname != NULL)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* The handle needs the signal no more. */
static void part(struct handle *handle)
{
    struct sluice_signal *signal = handle->signal;
    bool has_arrived = handle->is_over;

    handle->signal = NULL;
    pthread_mutex_lock(&signal->lock);
    signal->loop = NULL;
    signal->handle = NULL;
    pthread_mutex_unlock(&signal->lock);
    /* From here on the thread that signals destroys it, or its post does. */
    if (has_arrived)
        destroy(signal);
}

struct sluice_signal *slb_push_signal(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct handle *handle = slb_new(L, signal_type, sizeof *handle, 1);
    struct sluice_signal *signal;

    sl_completion_init(&handle->pending, &runtime->loop, NULL);
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    if (sl_loop_open_posts(&runtime->loop) != SL_OK)
        luaL_error(L, "signal: no descriptor is free");
    signal = calloc(1, sizeof *signal);
    if (signal == NULL || pthread_mutex_init(&signal->lock, NULL) != 0) {
        free(signal);
        luaL_error(L, "out of memory");
        return NULL;
    }
    stay_loaded();
    signal->loop = &runtime->loop;
    signal->post.arrive = arrive;
    signal->handle = handle;
    handle->signal = signal;
    sl_completion_begin(&handle->pending);
    return signal;
}

static struct handle *check_signal(lua_State *L)
{
    struct handle *handle = slb_check(L, 1, signal_type);

    if (handle->runtime == NULL)
        slb_raise_disposed(L, "signal");
    slb_check_usable(L, handle->runtime);
    return handle;
}

/* The result of the signal at index 1, whose bytes become a string once. */
static int push_result(lua_State *L)
{
    struct handle *handle = check_signal(L);

    if (handle->signal == NULL) {
        lua_getiuservalue(L, 1, HANDLE_RESULT);
        return 1;
    }
    lua_pushlstring(L, handle->signal->bytes, handle->signal->size);
    if (handle->signal == NULL) /* by a finaliser */
        return push_result(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, HANDLE_RESULT);
    part(handle);
    return 1;
}

static int awaited(lua_State *L, int status, lua_KContext context)
{
    enum sl_status outcome = slb_waited(L, context);

    (void)status;
    lua_settop(L, 1);
    if (outcome == SL_OK)
        return push_result(L);
    return slb_push_outcome(L, outcome, "await signal");
}

/* signal:await(timeout) -> the bytes it was signalled with, a string
 *   | nil, message, err (timeout, cancelled). Yields. */
static int signal_await(lua_State *L)
{
    struct slb_runtime *runtime = check_signal(L)->runtime;
    struct handle *handle;
    int64_t due;

    slb_reserve_wait(L, runtime);
    handle = check_signal(L);
    due = slb_check_due(L, 2, runtime);
    lua_settop(L, 1);
    if (handle->is_over)
        return push_result(L);
    return slb_wait_own(L, runtime, &handle->waiters, due, awaited);
}

static int signal_gc(lua_State *L)
{
    struct handle *handle = slb_check(L, 1, signal_type);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return 0;
    if (handle->signal != NULL)
        part(handle);
    slb_signal_all(&handle->waiters, SL_CANCELLED);
    sl_completion_fini(&handle->pending);
    handle->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int signal_tostring(lua_State *L)
{
    const struct handle *handle = slb_check(L, 1, signal_type);

    lua_pushfstring(L, "sluice.signal (%s)",
                    handle->runtime == NULL ? "disposed"
                    : handle->is_over       ? "done"
                                            : "pending");
    return 1;
}

static const luaL_Reg methods[] = {{"await", signal_await}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__tostring", signal_tostring}, {"__gc", signal_gc}, {NULL, NULL}};

void slb_signal_open(lua_State *L)
{
    slb_type(L, signal_type, methods, meta);
}
