/* See live_list.h. */
#include "serve/live_list.h"

#include <stdlib.h>
#include <string.h>

enum { TARGET_MS = 5000 }; /* where the list does not say */

static void drop(const char **text)
{
    free((char *)(uintptr_t)*text);
    *text = NULL;
}

void live_list_fini(struct live_list *l)
{
    for (size_t i = 0; i < l->list.segment_count; i++)
        drop(&l->list.segments[i].uri);
    for (size_t i = 0; i < l->list.key_count; i++)
        drop(&l->list.keys[i].uri);
    drop(&l->map.uri);
    free(l->list.segments);
    free(l->list.keys);
    *l = (struct live_list){0};
}

/* The key of a piece as one of ours: mostly the last one. *ours as in struct hls_segment. */
static int take_key(struct live_list *l, const struct hls *from, uint32_t theirs, uint32_t *ours,
                    struct err *err)
{
    *ours = 0;
    if (!theirs)
        return 0;
    const struct hls_key *key = &from->keys[theirs - 1];
    const struct hls_key *last = l->list.key_count ? &l->list.keys[l->list.key_count - 1] : NULL;
    if (!last || strcmp(last->uri, key->uri) != 0 || last->has_iv != key->has_iv ||
        memcmp(last->iv, key->iv, sizeof key->iv) != 0) {
        if (l->list.key_count == LIVE_LIST_KEYS_MAX)
            return err_set(err, ERR_UPSTREAM_FAILED, "live: too many keys");
        if (!l->list.keys || l->list.key_count == l->key_room) {
            size_t room = l->key_room ? l->key_room * 2 : 4;
            struct hls_key *more = realloc(l->list.keys, room * sizeof *more);
            if (!more)
                return err_set(err, ERR_INTERNAL, "out of memory");
            l->list.keys = more;
            l->key_room = room;
        }
        struct hls_key copy = *key;
        copy.uri = strdup(key->uri);
        if (!copy.uri)
            return err_set(err, ERR_INTERNAL, "out of memory");
        l->list.keys[l->list.key_count++] = copy;
    }
    *ours = (uint32_t)l->list.key_count;
    return 0;
}

static int add(struct live_list *l, const struct hls *from, const struct hls_segment *piece, struct err *err)
{
    struct hls_segment copy = *piece;
    if (take_key(l, from, piece->key, &copy.key, err) < 0)
        return -1;
    if (!l->list.segments || l->list.segment_count == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct hls_segment *more = realloc(l->list.segments, room * sizeof *more);
        if (!more)
            return err_set(err, ERR_INTERNAL, "out of memory");
        l->list.segments = more;
        l->room = room;
    }
    copy.uri = strdup(piece->uri);
    if (!copy.uri)
        return err_set(err, ERR_INTERNAL, "out of memory");
    l->list.segments[l->list.segment_count++] = copy;
    return 0;
}

/* Every list names its map; it is a piece only where it is another one. */
static int add_map(struct live_list *l, const struct hls *from, const struct hls_segment *map,
                   struct err *err)
{
    if (l->map.uri && strcmp(l->map.uri, map->uri) == 0 && l->map.offset == map->offset)
        return 0;
    drop(&l->map.uri);
    l->map = *map;
    l->map.uri = strdup(map->uri);
    return l->map.uri ? add(l, from, map, err) : err_set(err, ERR_INTERNAL, "out of memory");
}

int live_list_take(struct live_list *l, const struct hls *fetched, size_t *added, struct err *err)
{
    const struct hls_segment *map = NULL;
    size_t before = l->list.segment_count;
    uint64_t end = fetched->segment_count ? fetched->segments[fetched->segment_count - 1].number + 1 : 0;
    if (!l->began)
        l->next_number = end > LIVE_LIST_BEHIND ? end - LIVE_LIST_BEHIND : 0;
    l->began = true;
    /* numbers that have begun anew are another broadcast at the same address */
    if (end + LIVE_LIST_KEEP < l->next_number)
        l->next_number = end > LIVE_LIST_BEHIND ? end - LIVE_LIST_BEHIND : 0;
    for (size_t i = 0; i < fetched->segment_count; i++) {
        const struct hls_segment *piece = &fetched->segments[i];
        if (piece->is_map)
            map = piece;
        if (piece->is_map || piece->number < l->next_number)
            continue;
        if ((map && add_map(l, fetched, map, err) < 0) || add(l, fetched, piece, err) < 0)
            return -1;
        l->next_number = piece->number + 1;
    }
    l->over = !fetched->is_live;
    l->target_ms = fetched->target_ms ? fetched->target_ms : TARGET_MS;
    l->list.is_mp4 = fetched->is_mp4;
    *added = l->list.segment_count - before;
    return 0;
}

void live_list_forget(struct live_list *l, size_t index)
{
    for (; l->forgotten + LIVE_LIST_KEEP < index; l->forgotten++)
        drop(&l->list.segments[l->forgotten].uri);
}
