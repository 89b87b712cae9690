/* file_cage.c - Landlock around the thread that writes files: a mistake in file_store.c would still write
 * nothing outside the folder. Only this thread is caged; the rest of the program goes on reading what it
 * needs.
 *
 * Left out: truncation and device control, which later kernels can forbid too; what this thread can open lies
 * in the folder anyway. */
#include "file_store.h"

#include <errno.h>
#include <unistd.h>
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#if defined(LANDLOCK_ACCESS_FS_MAKE_SYM) && defined(SYS_landlock_create_ruleset)
/* All that the first version of Landlock knows, and what of it is needed. */
#define HANDLED (((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define NEEDED                                                                                              \
    ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM |              \
     LANDLOCK_ACCESS_FS_REMOVE_FILE)

bool file_store_cage(const struct file_store *store)
{
    struct landlock_ruleset_attr attributes = {.handled_access_fs = HANDLED};
    struct landlock_path_beneath_attr beneath = {.allowed_access = NEEDED, .parent_fd = store->root};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (rules < 0)
        return false;
    bool caged = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0 &&
                 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                 syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return caged;
}
#else
bool file_store_cage(const struct file_store *store)
{
    (void)store;
    errno = ENOSYS;
    return false;
}
#endif
