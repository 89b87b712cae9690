/* fuzz_manifest.c - an offer full of anything. What is taken must stay beneath a folder. */
#include "fuzz.h"
#include "manifest.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest = {0};
    if (!manifest_parse(&manifest, data, size))
        for (uint32_t i = 0; i < manifest.count; i++) {
            const struct manifest_entry *entry = &manifest.entries[i];
            must(entry->path[0] != '/' && !strstr(entry->path, "/../") &&
                 strncmp(entry->path, "../", 3) != 0);
            must(strcmp(entry->path, "..") != 0 && strcmp(entry->path, ".") != 0);
            must(entry->mode <= 0777 && (entry->target != NULL) == (entry->kind == ENTRY_LINK));
        }
    manifest_free(&manifest);
    return 0;
}
