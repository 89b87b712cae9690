/* leaf_map.c - what is known of each leaf of a file: nothing, a hash, or that it is zeros. */
#include "leaf_map.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 512, /* cells; three levels of them are the 2^26 leaves of the largest file */
    BLOCK = 32, /* hashes that are allocated at once: 1 KiB, for whoever tells one and leaves it at that */
    LEAF_INSIDE = 8, /* of a cell above the leaves: another page has it */
};

struct leaf_page {
    struct leaf_page **inside; /* a cell each; NULL: the cells are leaves */
    uint8_t **hashes; /* of leaves, once one has any: a block for each BLOCK of them; NULL: none yet */
    unsigned count;   /* of cells */
    uint8_t flags[];
};

/* Leaves of a cell. */
static uint64_t span_of(unsigned height)
{
    uint64_t span = 1;
    while (height--)
        span *= PAGE;
    return span;
}

void leaf_map_begin(struct leaf_map *map, uint64_t leaves)
{
    *map = (struct leaf_map){.leaves = leaves};
    while (span_of(map->height + 1) < leaves)
        map->height++;
}

static unsigned blocks_of(const struct leaf_page *page)
{
    return (page->count + BLOCK - 1) / BLOCK;
}

static struct leaf_page *page_new(struct leaf_map *map, unsigned height, uint64_t base, uint8_t flags)
{
    uint64_t span = span_of(height), cells = (map->leaves - base + span - 1) / span;
    unsigned count = cells < PAGE ? (unsigned)cells : PAGE;
    struct leaf_page *page = malloc(sizeof *page + count);
    if (!page)
        return NULL;
    *page = (struct leaf_page){.count = count};
    if (height && !(page->inside = calloc(count, sizeof(struct leaf_page *)))) {
        free(page);
        return NULL;
    }
    memset(page->flags, flags, count);
    map->cells += count;
    return page;
}

static void page_free(struct leaf_map *map, struct leaf_page *page)
{
    if (!page)
        return;
    for (unsigned i = 0; page->inside && i < page->count; i++)
        page_free(map, page->inside[i]);
    for (unsigned i = 0; page->hashes && i < blocks_of(page); i++)
        free(page->hashes[i]);
    map->cells -= page->count;
    free(page->inside);
    free(page->hashes);
    free(page);
}

void leaf_map_free(struct leaf_map *map)
{
    page_free(map, map->root);
    *map = (struct leaf_map){.root = NULL};
}

/* The page inside a cell, made of what was known of the whole cell. */
static struct leaf_page *enter(struct leaf_map *map, struct leaf_page *page, unsigned cell, unsigned height,
                               uint64_t base)
{
    if (!page->inside[cell] &&
        !(page->inside[cell] = page_new(map, height - 1, base + cell * span_of(height), page->flags[cell])))
        return NULL;
    page->flags[cell] = LEAF_INSIDE;
    return page->inside[cell];
}

static struct leaf_page *root_of(struct leaf_map *map)
{
    if (!map->root)
        map->root = page_new(map, map->height, 0, LEAF_ABSENT);
    return map->root;
}

/* Where the hash of a leaf of this page goes. NULL: no memory. */
static uint8_t *room_for(struct leaf_page *page, unsigned cell)
{
    unsigned block = cell / BLOCK, left = page->count - block * BLOCK;
    if (!page->hashes && !(page->hashes = calloc(blocks_of(page), sizeof *page->hashes)))
        return NULL;
    if (!page->hashes[block] &&
        !(page->hashes[block] = malloc((size_t)(left < BLOCK ? left : BLOCK) * HASH_LEN)))
        return NULL;
    return page->hashes[block] + (size_t)(cell % BLOCK) * HASH_LEN;
}

bool leaf_map_put(struct leaf_map *map, uint64_t leaf, const uint8_t hash[HASH_LEN], enum leaf_flag flag)
{
    struct leaf_page *page = root_of(map);
    uint64_t base = 0;
    for (unsigned height = map->height; page && height; height--) {
        unsigned cell = (unsigned)((leaf - base) / span_of(height));
        page = enter(map, page, cell, height, base);
        base += cell * span_of(height);
    }
    uint8_t *room = page ? room_for(page, (unsigned)(leaf - base)) : NULL;
    if (!room)
        return false;
    memcpy(room, hash, HASH_LEN);
    page->flags[leaf - base] = (uint8_t)flag;
    return true;
}

/* Of the leaves from `first` to before `end`, those in this page. */
static bool fill(struct leaf_map *map, struct leaf_page *page, unsigned height, uint64_t base,
                 const uint64_t range[2], uint8_t flags)
{
    uint64_t span = span_of(height);
    unsigned cell = range[0] > base ? (unsigned)((range[0] - base) / span) : 0;
    for (; cell < page->count && base + cell * span < range[1]; cell++) {
        uint64_t from = base + cell * span, to = from + span < map->leaves ? from + span : map->leaves;
        if (from >= range[0] && to <= range[1]) {
            if (page->inside)
                page_free(map, page->inside[cell]), page->inside[cell] = NULL;
            page->flags[cell] = flags;
            continue;
        }
        struct leaf_page *inside = enter(map, page, cell, height, base);
        if (!inside || !fill(map, inside, height - 1, from, range, flags))
            return false;
    }
    return true;
}

bool leaf_map_put_zeros(struct leaf_map *map, uint64_t first, uint64_t count, enum leaf_flag flag)
{
    const uint64_t range[2] = {first, first + count};
    struct leaf_page *root = root_of(map);
    return root && fill(map, root, map->height, 0, range, (uint8_t)(flag | LEAF_ZERO));
}

uint64_t leaf_map_run(const struct leaf_map *map, uint64_t leaf, unsigned *flags, const uint8_t **hashes)
{
    const struct leaf_page *page = map->root;
    uint64_t base = 0, span = span_of(map->height);
    *flags = LEAF_ABSENT, *hashes = NULL;
    if (!page)
        return map->leaves - leaf;
    unsigned cell = (unsigned)(leaf / span), end, most = page->count;
    while (page->flags[cell] == LEAF_INSIDE) {
        page = page->inside[cell];
        base += cell * span, span /= PAGE;
        cell = (unsigned)((leaf - base) / span), most = page->count;
    }
    *flags = page->flags[cell];
    if (page->hashes && (*flags == LEAF_HELD || *flags == LEAF_RECEIVED)) {
        unsigned block = cell / BLOCK * BLOCK;
        *hashes = page->hashes[cell / BLOCK] + (size_t)(cell - block) * HASH_LEN;
        most = block + BLOCK < most ? block + BLOCK : most;
    }
    for (end = cell + 1; end < most && page->flags[end] == *flags;)
        end++;
    uint64_t to = base + end * span;
    return (to < map->leaves ? to : map->leaves) - leaf;
}
