/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/schema.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

#include "basic/macro.h"

void schema_complain(SchemaError *error, const char *field, const char *format, ...) {
        va_list ap;

        snprintf(error->field, sizeof(error->field), "%s", field);
        va_start(ap, format);
        vsnprintf(error->reason, sizeof(error->reason), format, ap);
        va_end(ap);
}

int schema_fail_within(SchemaError *error, int r, const Field *f, ssize_t index) {
        char inner[sizeof(error->field)];

        /* What concerns the message as a whole does so wherever it was found. */
        if (r != -EINVAL || !error->field[0])
                return r;
        memcpy(inner, error->field, sizeof(inner));
        if (index >= 0)
                snprintf(error->field, sizeof(error->field), "%s[%zd].%.80s", f->name, index, inner);
        else
                snprintf(error->field, sizeof(error->field), "%s.%.80s", f->name, inner);
        return r;
}

void schema_init(const Structure *s, void *ret) {
        memset(ret, 0, s->size);
        if (s->init) {
                s->init(ret);
                return;
        }
        for (const Field *f = s->fields; f->name; f++) {
                void *p = field_of(f, ret);

                switch (f->type) {
                case FIELD_TRISTATE: case FIELD_INT32: case FIELD_ENUM:
                        *(int *) p = -1;
                        break;
                case FIELD_INT: case FIELD_MONEY:
                        *(int64_t *) p = INT64_MIN;
                        break;
                case FIELD_LIMIT:
                        *(int64_t *) p = INT64_MAX;
                        break;
                case FIELD_UNITS:
                        *(Units *) p = -1;
                        break;
                case FIELD_FLOAT: case FIELD_DEGREES: case FIELD_PERCENT: case FIELD_RATIO:
                        *(double *) p = NAN;
                        break;
                case FIELD_MS: case FIELD_MS_INT: case FIELD_SECONDS: case FIELD_SECONDS_INT:
                        *(uint64_t *) p = NSEC_INFINITY;
                        break;
                case FIELD_STRUCT:
                        schema_init(f->structure, p);
                        break;
                default: /* zero is absent */
                        break;
                }
        }
}

bool field_is_absent(const Field *f, const void *structure) {
        const void *p = field_in(f, structure);

        switch (f->type) {
        case FIELD_TRISTATE: case FIELD_INT32: case FIELD_ENUM:
                return *(const int *) p < 0;
        case FIELD_INT: case FIELD_MONEY:
                return *(const int64_t *) p == INT64_MIN;
        case FIELD_LIMIT:
                return *(const int64_t *) p == INT64_MAX;
        case FIELD_UNITS:
                return *(const Units *) p < 0;
        case FIELD_FLOAT: case FIELD_DEGREES: case FIELD_PERCENT: case FIELD_RATIO:
                return isnan(*(const double *) p);
        case FIELD_MS: case FIELD_MS_INT: case FIELD_SECONDS: case FIELD_SECONDS_INT:
                return *(const uint64_t *) p == NSEC_INFINITY;
        case FIELD_INSTANT:
                return *(const uint64_t *) p == 0;
        case FIELD_STRING: case FIELD_STRINGS: case FIELD_MAP: case FIELD_STRUCT_POINTER: case FIELD_ARRAY:
                return *(const void *const *) p == NULL;
        case FIELD_CHARS:
                return *(const char *) p == 0;
        case FIELD_ENUMS:
                return *(const uint32_t *) p == 0;
        case FIELD_STRUCT:
                return schema_find_missing(f->structure, p); /* what it must have is not there */
        default:
                return false;
        }
}

const Field *schema_find_missing(const Structure *s, const void *structure) {
        for (const Field *f = s->fields; f->name; f++)
                if (f->flags & FIELD_REQUIRED && field_is_absent(f, structure))
                        return f;
        return NULL;
}

/* What a number may be where the field does not say: what its type can hold, and no more than anybody means. */
static void number_limits(const Field *f, double *ret_min, double *ret_max) {
        *ret_min = 0;
        switch (f->type) {
        case FIELD_INT:
                *ret_min = -9.2e18; /* the least of all is absent */
                *ret_max = 9.3e18;
                break;
        case FIELD_LIMIT:
                *ret_max = 9.2e18; /* the most of all is absent */
                break;
        case FIELD_INT32:
                *ret_max = INT32_MAX;
                break;
        case FIELD_UINT32:
                *ret_max = UINT32_MAX;
                break;
        case FIELD_UINT64:
                *ret_max = 9.3e18;
                break;
        case FIELD_UNITS: case FIELD_MS: case FIELD_MS_INT:
                *ret_max = 1e12;
                break;
        case FIELD_SECONDS: case FIELD_SECONDS_INT:
                *ret_max = 1e9;
                break;
        default:
                *ret_min = -1e12;
                *ret_max = 1e12;
                break;
        }
}

int field_check_number(const Field *f, double value, SchemaError *error) {
        double min = f->min, max = f->max;

        if (min >= max)
                number_limits(f, &min, &max);
        if (!(value >= min && value <= max))
                return schema_fail(error, f->name, "%.10g is out of range: %.16g to %.16g are allowed", value, min, max);
        return 0;
}

int field_check_string(const Field *f, size_t size, SchemaError *error) {
        /* Of a list, max is about how many there are. */
        size_t max = f->max > 0 && f->type != FIELD_STRINGS && f->type != FIELD_ENUMS ? (size_t) f->max : FIELD_STRING_MAX;

        if (size > max)
                return schema_fail(error, f->name, "%zu bytes are too long: up to %zu are allowed", size, max);
        return 0;
}

int field_check_count(const Field *f, size_t n, SchemaError *error) {
        size_t max = f->max > 0 ? (size_t) f->max : FIELD_LIST_MAX;

        if (n > max)
                return schema_fail(error, f->name, "too many entries: up to %zu are allowed", max);
        return 0;
}

bool field_is_whole(const Field *f) {
        switch (f->type) {
        case FIELD_INT: case FIELD_LIMIT: case FIELD_INT32: case FIELD_UINT32: case FIELD_UINT64: case FIELD_MS_INT:
        case FIELD_SECONDS_INT:
                return true;
        default:
                return false;
        }
}

void field_set_number(const Field *f, double value, int64_t exact, void *structure) {
        void *to = field_of(f, structure);

        switch (f->type) {
        case FIELD_INT: case FIELD_LIMIT: case FIELD_MONEY: case FIELD_UNITS:
                *(int64_t *) to = exact;
                break;
        case FIELD_INT32:
                *(int *) to = (int) CLAMP(exact, INT64_C(0), (int64_t) INT32_MAX);
                break;
        case FIELD_UINT32:
                *(uint32_t *) to = (uint32_t) CLAMP(exact, INT64_C(0), (int64_t) UINT32_MAX);
                break;
        case FIELD_UINT64:
                *(uint64_t *) to = (uint64_t) MAX(exact, INT64_C(0));
                break;
        case FIELD_FLOAT: case FIELD_DEGREES:
                *(double *) to = value;
                break;
        case FIELD_PERCENT: case FIELD_RATIO:
                *(double *) to = f->type == FIELD_RATIO && value <= 1 ? value : value / 100;
                break;
        case FIELD_MS: case FIELD_MS_INT:
                *(uint64_t *) to = value <= 0 ? 0 : (uint64_t) llround(MIN(value, 1e12) * 1e6);
                break;
        default: /* FIELD_SECONDS, FIELD_SECONDS_INT */
                *(uint64_t *) to = value <= 0 ? 0 : (uint64_t) llround(MIN(value, 9e9) * 1e9);
                break;
        }
}

int field_set_enum(const Field *f, const char *name, void *structure, SchemaError *error) {
        int v = enum_from_string(f->names, name);

        if (v < 0) {
                char list[sizeof(error->reason) - sizeof("allowed are ")];
                size_t n = 0;
                for (int i = 0; i < f->names->n && n < sizeof(list); i++)
                        n += (size_t) snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", f->names->names[i]);
                return schema_fail(error, f->name, "allowed are %s", list);
        }
        if (f->type == FIELD_ENUMS)
                *(uint32_t *) field_of(f, structure) |= UINT32_C(1) << v;
        else
                *(int *) field_of(f, structure) = v;
        return 0;
}
