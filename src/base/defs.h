/* Small helpers every layer uses: scope-bound clean-up and ownership transfer.
 *
 *   auto_(buf) struct buf b = …;          calls buf_fini(&b) when the scope ends
 *   auto_ptr(thing) struct thing *t = …;  calls thing_free(t) when the scope ends (NULL is fine)
 *   *out = steal(&t);                     hands the pointer on; t becomes NULL
 * A type opts in by DEFINE_AUTO or DEFINE_AUTO_PTR beside its declaration. */
#ifndef SLUICE_BASE_DEFS_H
#define SLUICE_BASE_DEFS_H

#include <stddef.h>
#include <stdlib.h>

#define auto_(type)    __attribute__((cleanup(auto_##type##_fini)))
#define auto_ptr(type) __attribute__((cleanup(auto_##type##_free)))

#define DEFINE_AUTO(type, fini)                                                                              \
    static inline void auto_##type##_fini(struct type *x)                                                    \
    {                                                                                                        \
        fini(x);                                                                                             \
    }
#define DEFINE_AUTO_PTR(type, free_fn)                                                                       \
    static inline void auto_##type##_free(struct type **x)                                                   \
    {                                                                                                        \
        free_fn(*x);                                                                                         \
    }

static inline void auto_char_free(char **p)
{
    free(*p);
}

#define steal(pp)                                                                                            \
    __extension__({                                                                                          \
        __typeof__(*(pp)) steal_tmp_ = *(pp);                                                                \
        *(pp) = NULL;                                                                                        \
        steal_tmp_;                                                                                          \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
