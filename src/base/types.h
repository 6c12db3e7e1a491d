/* Scalar types that carry their meaning. */
#ifndef VIBE_BASE_TYPES_H
#define VIBE_BASE_TYPES_H

#include <stdint.h>

typedef uint64_t gpa_t; /* guest-physical address */
typedef uint64_t gva_t; /* guest-virtual address, before translation, tag byte included */

#endif
