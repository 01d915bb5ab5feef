/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Manager's methods look like follows from the API's tables:
 *
 * in:  the required fields are typed arguments; the others, if there are any, are keys of a dictionary at the end ("options"), which
 *      may be left out: a method may get its first option later than its callers were written.
 * out: what is in every reply is typed arguments. What may be absent goes into a dictionary at the end ("details"), and if there is
 *      one, so does what has parts. A decision's most wanted facts are arguments, the rest of it is among the details.
 */
#include "daemon/dbus/private.h"

struct Methods {
        size_t n;
        BusMethod methods[];
};

static const struct {
        const char *field, *name;
} decision_arguments[] = {
        { "id", "decisionId" }, { "node", "node" }, { "url", "url" }, { "estimatedCost", "estimatedCost" },
};

static bool is_decision(const Field *f) {
        return f->type == FIELD_STRUCT && f->structure == &decision_structure;
}

static bool has_parts(const Field *f) {
        return f->type == FIELD_STRUCT || f->type == FIELD_STRUCT_POINTER || f->type == FIELD_ARRAY;
}

static int shape_add(Shape *s, const char *name, const Field *f, uint32_t base) {
        if (s->n == ARGUMENTS_MAX)
                return -E2BIG;
        s->arguments[s->n++] = (Argument) { name, f, base };
        return 0;
}

static void shape_finish(Shape *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += (size_t) snprintf(s->signature + n, sizeof(s->signature) - n, "%s", codec_signature(s->arguments[i].field));
        if (s->rest)
                snprintf(s->signature + n, sizeof(s->signature) - n, OPTIONS_SIGNATURE);
}

static int shape_input(Shape *s, const Structure *in) {
        int r = 0;

        for (const Field *f = in->fields; f->name && r == 0; f++)
                if (f->flags & FIELD_REQUIRED)
                        r = shape_add(s, f->name, f, 0);
                else
                        s->rest = "options";
        shape_finish(s);
        return r;
}

static int add_decision(Shape *s, const Field *decision) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(decision_arguments); i++)
                for (const Field *f = decision->structure->fields; f->name && r == 0; f++)
                        if (streq(f->name, decision_arguments[i].field))
                                r = shape_add(s, decision_arguments[i].name, f, decision->offset);
        return r;
}

static int shape_output(Shape *s, const Structure *out) {
        int r = 0;

        for (const Field *f = out->fields; f->name; f++)
                if (f->flags & FIELD_OPTIONAL || is_decision(f))
                        s->rest = "details";
        for (const Field *f = out->fields; f->name && r == 0; f++)
                if (is_decision(f))
                        r = add_decision(s, f);
                else if (!(f->flags & FIELD_OPTIONAL) && !(s->rest && has_parts(f)))
                        r = shape_add(s, f->name, f, 0);
        shape_finish(s);
        return r;
}

/* Streams are signals here, and the prober's methods are the prober's alone. */
static bool is_offered(const ApiMethod *m) {
        return !m->more && m->role != ROLE_PROBER;
}

int methods_new(Methods **ret) {
        size_t n = 0;
        int r = 0;

        for (const ApiMethod *m = api_methods; m->name; m++)
                n += is_offered(m);
        Methods *methods = calloc(1, sizeof(Methods) + n * sizeof(BusMethod));
        if (!methods)
                return -ENOMEM;
        for (const ApiMethod *m = api_methods; m->name && r == 0; m++)
                if (is_offered(m)) {
                        BusMethod *k = &methods->methods[methods->n++];
                        k->method = m;
                        r = shape_input(&k->in, m->in);
                        if (r == 0)
                                r = shape_output(&k->out, m->out);
                }
        if (r < 0) {
                free(methods);
                return r;
        }
        *ret = methods;
        return 0;
}

Methods *methods_free(Methods *m) {
        free(m);
        return NULL;
}

static void describe_shape(const Shape *s, bool input, ArgumentVisitor argument, void *userdata) {
        for (size_t i = 0; i < s->n; i++)
                argument(userdata, s->arguments[i].name, codec_signature(s->arguments[i].field), input);
        if (s->rest)
                argument(userdata, s->rest, OPTIONS_SIGNATURE, input);
}

void methods_describe(const Methods *m, MethodVisitor method, ArgumentVisitor argument, void *userdata) {
        for (size_t i = 0; i < m->n; i++) {
                method(userdata, m->methods[i].method->name, false);
                describe_shape(&m->methods[i].in, true, argument, userdata);
                describe_shape(&m->methods[i].out, false, argument, userdata);
                method(userdata, m->methods[i].method->name, true);
        }
}

const BusMethod *methods_find(const Methods *methods, const char *name) {
        for (size_t i = 0; i < methods->n; i++)
                if (streq(methods->methods[i].method->name, name))
                        return &methods->methods[i];
        return NULL;
}

/* ---- messages ---- */

bool shape_accepts(const Shape *s, sd_bus_message *m) {
        char without[SIGNATURE_MAX];

        if (sd_bus_message_has_signature(m, s->signature))
                return true;
        if (!s->rest)
                return false;
        snprintf(without, sizeof(without), "%.*s", (int) (strlen(s->signature) - strlen(OPTIONS_SIGNATURE)), s->signature);
        return sd_bus_message_has_signature(m, without);
}

int shape_read(Reading *g, const BusMethod *method, void *parameters) {
        const Structure *in = method->method->in;
        uint64_t seen = 0;

        schema_init(in, parameters);
        for (size_t i = 0; i < method->in.n; i++) {
                const Field *f = method->in.arguments[i].field;
                int r = codec_read(g, f, parameters);
                if (r < 0)
                        return r;
                seen |= UINT64_C(1) << (f - in->fields);
        }
        int r = method->in.rest && sd_bus_message_at_end(g->message, true) == 0 ? codec_read_structure(g, in, seen, parameters) : 0;
        return r < 0 ? r : 0;
}

static bool is_argument(const Shape *s, const Field *f) {
        for (size_t i = 0; i < s->n; i++)
                if (s->arguments[i].field == f)
                        return true;
        return false;
}

static int append_rest(Writer *w, const Shape *s, const Structure *structure, const void *out) {
        int r = 0;

        for (const Field *f = structure->fields; f->name && r >= 0; f++)
                if (is_decision(f))
                        r = append_rest(w, s, f->structure, field_in(f, out));
                else if (!is_argument(s, f))
                        r = codec_append_entry(w, f, out);
        return r;
}

int shape_append(Writer *w, const BusMethod *method, const void *out) {
        const Shape *s = &method->out;
        int r = 0;

        for (size_t i = 0; i < s->n && r >= 0; i++)
                r = codec_append(w, s->arguments[i].field, (const char *) out + s->arguments[i].base);
        if (r < 0 || !s->rest)
                return r;
        r = writer_open(w, 'a', "{sv}");
        if (r >= 0)
                r = append_rest(w, s, method->method->out, out);
        return r < 0 ? r : writer_close(w);
}
