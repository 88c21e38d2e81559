#include "memory/cells.h"

#include "memory/poison.h"

#define CHUNK_SIZE ((size_t)32 * 1024)

/* Before each cell. */
union header {
    struct sl_cell_chunk *chunk; /* rented */
    union header *next;          /* free */
};

struct sl_cell_chunk {
    struct sl_cell_chunk *next; /* among those with free cells */
    struct sl_cell_chunk *previous;
    union header *free; /* returned ones */
    size_t used;
    size_t touched; /* those behind have never been rented */
};

static size_t size_class(size_t size)
{
    return size == 0 ? 0 : (size - 1) / SL_CELL_STEP;
}

static size_t stride_of(size_t class)
{
    return sizeof(union header) + (class + 1) * SL_CELL_STEP;
}

static size_t cells_in_chunk(size_t class)
{
    return (CHUNK_SIZE - sizeof(struct sl_cell_chunk)) / stride_of(class);
}

static union header *header_of(void *memory)
{
    return (union header *)memory - 1;
}

static void link_open(struct sl_cells *cells, size_t class,
                      struct sl_cell_chunk *chunk)
{
    chunk->previous = NULL;
    chunk->next = cells->open[class];
    if (chunk->next != NULL)
        chunk->next->previous = chunk;
    cells->open[class] = chunk;
}

static void unlink_open(struct sl_cells *cells, size_t class,
                        struct sl_cell_chunk *chunk)
{
    if (chunk->previous != NULL)
        chunk->previous->next = chunk->next;
    else
        cells->open[class] = chunk->next;
    if (chunk->next != NULL)
        chunk->next->previous = chunk->previous;
}

void sl_cells_init(struct sl_cells *cells, struct sl_allocator *allocator)
{
    memset(cells, 0, sizeof *cells);
    cells->allocator = allocator;
}

static struct sl_cell_chunk *open_chunk(struct sl_cells *cells, size_t class)
{
    struct sl_cell_chunk *chunk = cells->open[class];

    if (chunk != NULL)
        return chunk;
    chunk = sl_allocate(cells->allocator, CHUNK_SIZE);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    link_open(cells, class, chunk);
    return chunk;
}

void *sl_cells_rent(struct sl_cells *cells, size_t size)
{
    size_t class = size_class(size);
    struct sl_cell_chunk *chunk;
    union header *header;

    if (size > SL_CELL_LARGEST)
        return sl_allocate_zeroed(cells->allocator, size);
    chunk = open_chunk(cells, class);
    if (chunk == NULL)
        return NULL;
    header = chunk->free;
    if (header != NULL)
        chunk->free = header->next;
    else
        header = (union header *)(void *)((char *)(chunk + 1) +
                                          chunk->touched++ * stride_of(class));
    if (++chunk->used == cells_in_chunk(class))
        unlink_open(cells, class, chunk);
    header->chunk = chunk;
    sl_unhide((char *)(header + 1), (class + 1) * SL_CELL_STEP);
    memset(header + 1, 0, size);
    return header + 1;
}

void sl_cells_return(struct sl_cells *cells, void *memory, size_t size)
{
    size_t class = size_class(size);
    union header *header;
    struct sl_cell_chunk *chunk;

    if (memory == NULL)
        return;
    if (size > SL_CELL_LARGEST) {
        sl_free(cells->allocator, memory, size);
        return;
    }
    header = header_of(memory);
    chunk = header->chunk;
    if (chunk->used == cells_in_chunk(class))
        link_open(cells, class, chunk);
    if (--chunk->used == 0) {
        unlink_open(cells, class, chunk);
        sl_unhide((char *)chunk, CHUNK_SIZE);
        sl_free(cells->allocator, chunk, CHUNK_SIZE);
        return;
    }
    sl_hide(memory, (class + 1) * SL_CELL_STEP);
    header->next = chunk->free;
    chunk->free = header;
}
