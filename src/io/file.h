/* io/file.h - a regular file that is sent: read into a buffer, or mapped
 *
 * in:  a descriptor    out: conn/source.c
 *
 *   file   [ ...... [ mapped, at most 1 MiB ] ............ ]
 *                   ^ mapped_at, of a page
 *
 * Every read names its position, so the descriptor's own one never moves.
 * A mapped range is for the kernel alone: where the file has become shorter the
 * kernel fails with EFAULT, while a program that looks would end by SIGBUS.
 */
#ifndef SL_IO_FILE_H
#define SL_IO_FILE_H

#include "base/status.h"
#include "base/view.h"
#include "memory/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_file {
    int fd;       /* owned; -1: none */
    char *mapped; /* NULL: nothing is */
    size_t mapped_size;
    int64_t mapped_at;
};

/* Opens a descriptor of its own on the same open file, closed on exec.
 * SL_LIMIT: the process has too many. */
enum sl_status sl_file_share(struct sl_file *file, int fd);
/* Unmaps and closes. Idempotent. */
void sl_file_fini(struct sl_file *file);

/* Reads at most `want` bytes from `offset` to the tail of `buffer`: at least
 * one with SL_OK. SL_END: the file ends before. SL_INVALID: it cannot be read.
 * SL_MEMORY, SL_LIMIT. */
enum sl_status sl_file_read(int fd, int64_t offset, size_t want,
                            struct sl_buffer *buffer);
/* Reads all `size` bytes; on failure some may have been read. Statuses as
 * above. */
enum sl_status sl_file_read_all(int fd, int64_t offset, size_t size,
                                struct sl_buffer *buffer);

/* Maps from the page of `offset` on, up to `end` at most, instead of the range
 * mapped before, unless that holds `offset`. False: it cannot be mapped. */
bool sl_file_map(struct sl_file *file, int64_t offset, int64_t end);
/* The mapped bytes from `offset` on; empty if that part is not mapped. */
struct sl_view sl_file_mapped(const struct sl_file *file, int64_t offset);
void sl_file_unmap(struct sl_file *file);

/* Whether the file reaches `end` now. Behind its end a mapped page shows
 * zeros. */
bool sl_file_reaches(const struct sl_file *file, int64_t end);
/* Whether a read at `offset` succeeds; so it does at the end of the file. */
bool sl_file_can_read(const struct sl_file *file, int64_t offset);

#endif
