/* SPDX-License-Identifier: Apache-2.0 */
/* The Manager, services and nodes as objects with properties. Nothing is kept for an object: its path leads to it in the brain. */
#include <ctype.h>

#include "daemon/dbus/private.h"

/* The Manager's own properties cost a walk over all nodes, so a burst of questions gets the same answer. */
#define STATUS_AGE_MAX_NS (500 * NSEC_PER_MSEC)

/* ---- views ---- */

void view_manager(Bus *b, uint64_t now_ns, View *ret) {
        if (b->status_ns == 0 || now_ns - b->status_ns >= STATUS_AGE_MAX_NS) {
                api_read_status(b->api, now_ns, b->status);
                b->status_ns = now_ns;
        }
        ret->interface = MANAGER_INTERFACE;
        ret->structure = &system_status_structure;
        ret->data = b->status;
        ret->service = NULL;
}

void view_service(Bus *b, const Service *s, uint64_t now_ns, View *ret) {
        ret->interface = SERVICE_INTERFACE;
        ret->structure = &service_structure;
        ret->data = &ret->service_data;
        ret->service = s;
        ret->service_data.nodes = NULL; /* shown as paths */
        service_status(api_router(b->api), s, now_ns, &ret->service_data.status);
        ret->service_data.n_nodes = ret->service_data.status.n_nodes;
}

void view_node(Bus *b, const Node *n, uint64_t now_ns, View *ret) {
        ret->interface = NODE_INTERFACE;
        ret->structure = &node_structure;
        ret->data = &ret->node_data;
        ret->service = NULL;
        node_status(api_router(b->api), n, now_ns, &ret->node_data);
}

bool view_find(Bus *b, const char *path, uint64_t now_ns, View *ret) {
        _cleanup_free_ char *service = NULL, *node = NULL;
        char name[NODE_NAME_MAX + 1];

        if (streq(path, BUS_PATH)) {
                view_manager(b, now_ns, ret);
                return true;
        }
        if (sd_bus_path_decode_many(path, BUS_PATH "/service/%", &service) > 0) {
                const Service *s = router_find_service(api_router(b->api), service);
                if (s)
                        view_service(b, s, now_ns, ret);
                return s;
        }
        if (sd_bus_path_decode_many(path, BUS_PATH "/node/%/%", &service, &node) > 0) {
                if ((size_t) snprintf(name, sizeof(name), "%s/%s", service, node) >= sizeof(name))
                        return false;
                const Node *n = router_find_node(api_router(b->api), name);
                if (n)
                        view_node(b, n, now_ns, ret);
                return n;
        }
        return false;
}

char *object_path(const char *name) {
        const char *slash = strchr(name, '/');
        char service[SERVICE_NAME_MAX + 1], *path = NULL;
        int r;

        if (slash) {
                snprintf(service, sizeof(service), "%.*s", (int) (slash - name), name);
                r = sd_bus_path_encode_many(&path, BUS_PATH "/node/%/%", service, slash + 1);
        } else
                r = sd_bus_path_encode_many(&path, BUS_PATH "/service/%", name);
        return r < 0 ? NULL : path;
}

/* ---- all of them ---- */

const char *walk_next(Bus *b, Walk *w, uint64_t now_ns, View *ret) {
        Router *router = api_router(b->api);

        for (; w->service < router_n_services(router); walk_next_service(w)) {
                const Service *s = router_service(router, w->service);
                view_service(b, s, now_ns, ret);
                if (!w->in_service) {
                        w->in_service = true;
                        return ret->service_data.status.service_name;
                }
                if (w->node < ret->service_data.n_nodes) {
                        view_node(b, service_node(s, w->node++), now_ns, ret);
                        return ret->node_data.node;
                }
        }
        return NULL;
}

void walk_next_service(Walk *w) {
        *w = (Walk) { .service = w->service + 1 };
}

/* ---- properties ---- */

const char *property_name(const Field *f, char buffer[PROPERTY_NAME_MAX]) {
        snprintf(buffer, PROPERTY_NAME_MAX, "%c%s", toupper(f->name[0]), f->name + 1);
        return buffer;
}

/* The nodes of a service are objects of their own. */
static bool is_nodes(const Field *f) {
        return f->type == FIELD_ARRAY && f->structure == &node_structure;
}

const char *property_signature(const Field *f) {
        return is_nodes(f) ? "ao" : codec_signature(f);
}

static int append_node_paths(sd_bus_message *m, const View *v) {
        size_t n = v->service_data.n_nodes;
        int r = sd_bus_message_open_container(m, 'a', "o");

        for (size_t i = 0; i < n && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;
                r = sd_bus_path_encode_many(&path, BUS_PATH "/node/%/%", v->service_data.status.service_name,
                                            node_settings(service_node(v->service, i))->id);
                if (r >= 0)
                        r = sd_bus_message_append_basic(m, 'o', path);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_variant(sd_bus_message *m, const View *v, const Field *f) {
        int r = sd_bus_message_open_container(m, 'v', property_signature(f));

        if (r >= 0)
                r = is_nodes(f) ? append_node_paths(m, v) : codec_append(WRITER(m), f, v->data);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int property_append_entry(sd_bus_message *m, const View *v, const Field *f) {
        char name[PROPERTY_NAME_MAX];
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', property_name(f, name));
        if (r >= 0)
                r = append_variant(m, v, f);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int properties_append(sd_bus_message *m, const View *v) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        for (const Field *f = v->structure->fields; f->name && r >= 0; f++)
                r = property_append_entry(m, v, f);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* ---- org.freedesktop.DBus.Properties ---- */

/* Finds what the interface named in the message has on the object that it is sent to. */
static int find_interface(Bus *b, sd_bus_message *m, uint64_t now_ns, View *ret, sd_bus_error *error) {
        const char *interface, *path = sd_bus_message_get_path(m);
        int r = sd_bus_message_read_basic(m, 's', &interface);

        if (r < 0)
                return r;
        if (!view_find(b, path, now_ns, ret)) {
                sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s", path);
                return -ENOENT;
        }
        if (interface[0] && !streq(interface, ret->interface)) {
                sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "Object %s has no properties of %s", path, interface);
                return -ENOENT;
        }
        return 0;
}

static int find_property(Bus *b, sd_bus_message *m, uint64_t now_ns, View *ret, const Field **ret_field, sd_bus_error *error) {
        char buffer[PROPERTY_NAME_MAX];
        const char *name;

        int r = find_interface(b, m, now_ns, ret, error);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        for (const Field *f = ret->structure->fields; f->name; f++)
                if (streq(name, property_name(f, buffer))) {
                        *ret_field = f;
                        return 0;
                }
        sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "%s has no property %s", ret->interface, name);
        return -ENOENT;
}

int properties_get(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error) {
        const Field *f = NULL;
        View view = {};
        int r = find_property(b, m, now_ns, &view, &f, error);

        return r < 0 ? r : append_variant(reply, &view, f);
}

int properties_get_all(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error) {
        View view = {};
        int r = find_interface(b, m, now_ns, &view, error);

        return r < 0 ? r : properties_append(reply, &view);
}

int properties_set(Bus *b, sd_bus_message *m, sd_bus_message *reply _unused_, uint64_t now_ns, sd_bus_error *error) {
        const Field *f = NULL;
        View view = {};
        int r = find_property(b, m, now_ns, &view, &f, error);

        return r < 0 ? r : sd_bus_error_setf(error, SD_BUS_ERROR_PROPERTY_READ_ONLY, "Property %s is read-only", f->name);
}
