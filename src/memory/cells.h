/* memory/cells.h - small memory that lives for long, apart from the rest
 *
 *   chunk   [ header | cell | cell | cell | ... ]     of one size
 *
 * What stays for as long as a connection would otherwise lie between what came
 * and went with its requests, and keep the pages of those in use. Full chunks
 * are in no list; an empty one is freed at once.
 */
#ifndef SL_MEMORY_CELLS_H
#define SL_MEMORY_CELLS_H

#include "base/allocator.h"

#define SL_CELL_STEP    ((size_t)16)
#define SL_CELL_LARGEST ((size_t)512) /* more is allocated by itself */

struct sl_cell_chunk;

struct sl_cells {
    struct sl_allocator *allocator;
    struct sl_cell_chunk *open[SL_CELL_LARGEST / SL_CELL_STEP]; /* by size */
};

void sl_cells_init(struct sl_cells *cells, struct sl_allocator *allocator);

/* Zeroed memory, or NULL. */
void *sl_cells_rent(struct sl_cells *cells, size_t size);
/* `size` is what it was rented with. */
void sl_cells_return(struct sl_cells *cells, void *memory, size_t size);

#endif
