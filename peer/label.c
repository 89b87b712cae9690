/* label.c - what a peer is called where it is asked for: NAME, or NAME#ID where several have that name. */
#include "label.h"

#include <string.h>

/* The first characters of an id at the end of the label, behind the last '#'; NULL: it is a name as a whole.
 */
static const char *label_id(const char *label)
{
    const char *mark = strrchr(label, '#');
    size_t len = mark ? strlen(mark + 1) : 0;
    bool is_id = len >= LABEL_ID_MIN && len <= PEER_ID_LEN && strspn(mark + 1, BASE32) == len;
    return is_id ? mark + 1 : NULL;
}

bool label_means(const char *label, const char *name, const char *id)
{
    const char *asked = label_id(label);
    if (!asked)
        return strcmp(label, name) == 0;
    size_t name_len = (size_t)(asked - 1 - label);
    return strlen(name) == name_len && memcmp(label, name, name_len) == 0 &&
           strncmp(id, asked, strlen(asked)) == 0;
}
