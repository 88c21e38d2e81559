#include "binding/lookups.h"
#include "binding/modules.h"
#include "binding/tls.h"
#include "binding/scratch.h"
#include "binding/signal.h"
#include "binding/types.h"
#include "task/generator.h"
#include "task/host.h"
#include "task/report.h"
#include "task/run.h"
#include "task/scheduler.h"

/* Without a library there is nothing to open. */
#ifdef SL_HAVE_PSL
#define OPEN_SUFFIXES(L) slb_suffixes_open(L)
#else
#define OPEN_SUFFIXES(L) (void)(L)
#endif

/* The module table `sluice.core`, on which lua/sluice is built. */
__attribute__((visibility("default"))) int luaopen_sluice_core(lua_State *L);

int luaopen_sluice_core(lua_State *L)
{
    luaL_checkversion(L);
    slb_modules_open(L);
    slb_runtime_open(L);
    lua_newtable(L);
    slb_ticket_open(L);
    slb_wait_open(L);
    slb_host_open(L);
    slb_scheduler_open(L);
    slb_generator_open(L);
    slb_report_open(L);
    slb_task_open(L);
    slb_run_open(L);
    slb_loop_open(L);
    slb_platform_open(L);
    slb_buffer_open(L);
    slb_sequence_open(L);
    slb_reader_open(L);
    slb_writer_open(L);
    slb_lease_open(L);
    slb_headers_open(L);
    slb_tls_open(L);
    slb_lookups_open(L);
    slb_connections_open(L);
    slb_origin_open(L);
    slb_options_open(L);
    slb_scratch_open(L);
    slb_codec_open(L);
    slb_hash_open(L);
    slb_head_open(L);
    slb_handshake_open(L);
    slb_url_open(L);
    OPEN_SUFFIXES(L);
    slb_response_open(L);
    slb_refusal_open(L);
    slb_response_properties_open(L);
    slb_push_open(L);
    slb_body_reader_open(L);
    slb_websocket_open(L);
    slb_websocket_properties_open(L);
    slb_websocket_send_open(L);
    slb_websocket_close_open(L);
    slb_body_splitter_open(L);
    slb_save_open(L);
    slb_transport_open(L);
    slb_transport_completion_open(L);
    slb_parser_open(L);
    slb_message_open(L);
    slb_ws_parser_open(L);
    slb_ws_accept_open(L);
    slb_event_parser_open(L);
    slb_file_open(L);
    slb_folder_open(L);
    slb_progress_open(L);
    slb_json_open(L);
    slb_random_open(L);
    slb_signal_open(L);
    slb_host_api_open(L);
    return 1;
}
