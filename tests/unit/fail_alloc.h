/* fail_alloc.h - lets the n-th allocation fail, so that a test tries every one of them (see tests/README.md).
 * The Makefile links a test that includes this with --wrap: allocations of our own objects are counted, those
 * inside other libraries are not. Under the address sanitizer, whatever a failed constructor leaves behind is
 * reported. */
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static unsigned fail_alloc_left; /* allocations until the one that fails, with it; 0: none will */
static bool fail_alloc_hit;      /* whether it came */
static uint64_t
    fail_alloc_asked; /* bytes that malloc and calloc were asked for, for tests of what something costs */

static bool fail_alloc_now(void)
{
    if (fail_alloc_left == 0 || --fail_alloc_left > 0)
        return false;
    fail_alloc_hit = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    fail_alloc_asked += size;
    return fail_alloc_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    fail_alloc_asked += count * size;
    return fail_alloc_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fail_alloc_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fail_alloc_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fail_alloc_now() ? NULL : __real_strndup(text, len);
}

/* From now on the n-th allocation fails (1: the very next); 0: none. For tests of what is no constructor. */
static inline void fail_alloc_at(unsigned n)
{
    fail_alloc_left = n;
    fail_alloc_hit = false;
}

/* Runs `construct` with its first allocation failing, then its second, and so on until it needs no more than
 * it gets. It returns whether it could make its object, which it has freed again; it must not where an
 * allocation failed. Returns how many allocations there were: compare it with 0, or nothing was tried. */
static inline unsigned fail_alloc_each(bool (*construct)(void *context), void *context)
{
    for (unsigned n = 1;; n++) {
        fail_alloc_at(n);
        bool made = construct(context);
        bool hit = fail_alloc_hit;
        fail_alloc_at(0);
        if (hit && made)
            fail_msg("made although allocation %u failed", n);
        if (!hit && !made)
            fail_msg("not made although all of %u allocations succeeded", n - 1);
        if (!hit)
            return n - 1;
    }
}

#endif
