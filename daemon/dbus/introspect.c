/* SPDX-License-Identifier: Apache-2.0 */
/* What every object looks like, from the same tables that serve it. */
#include "basic/json.h"
#include "daemon/dbus/private.h"

/* The writer is only a growing buffer here. */
static void put(JsonWriter *w, const char *s) {
        json_write(w, s, strlen(s));
}

/* Puts text with each % replaced by the next of the words. */
static void put_words(JsonWriter *w, const char *text, const char *const *words) {
        for (const char *p = text; *p; p++)
                if (*p == '%')
                        put(w, *words++);
                else
                        json_write(w, p, 1);
}

#define PUT(w, text, ...) put_words((w), (text), (const char *const[]) { __VA_ARGS__ })

static const char head[] =
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
        "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
        "<node>\n"
        " <interface name=\"org.freedesktop.DBus.Peer\">\n"
        "  <method name=\"Ping\"/>\n"
        "  <method name=\"GetMachineId\">\n"
        "   <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"
        "  </method>\n"
        " </interface>\n"
        " <interface name=\"" INTROSPECTABLE_INTERFACE "\">\n"
        "  <method name=\"Introspect\">\n"
        "   <arg type=\"s\" name=\"xml_data\" direction=\"out\"/>\n"
        "  </method>\n"
        " </interface>\n";

static const char properties[] =
        " <interface name=\"" PROPERTIES_INTERFACE "\">\n"
        "  <method name=\"Get\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"s\" name=\"property_name\" direction=\"in\"/>\n"
        "   <arg type=\"v\" name=\"value\" direction=\"out\"/>\n"
        "  </method>\n"
        "  <method name=\"GetAll\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"a{sv}\" name=\"properties\" direction=\"out\"/>\n"
        "  </method>\n"
        "  <method name=\"Set\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"s\" name=\"property_name\" direction=\"in\"/>\n"
        "   <arg type=\"v\" name=\"value\" direction=\"in\"/>\n"
        "  </method>\n"
        "  <signal name=\"PropertiesChanged\">\n"
        "   <arg type=\"s\" name=\"interface_name\"/>\n"
        "   <arg type=\"a{sv}\" name=\"changed_properties\"/>\n"
        "   <arg type=\"as\" name=\"invalidated_properties\"/>\n"
        "  </signal>\n"
        " </interface>\n";

static const char object_manager[] =
        " <interface name=\"" OBJECT_MANAGER_INTERFACE "\">\n"
        "  <method name=\"GetManagedObjects\">\n"
        "   <arg type=\"a{oa{sa{sv}}}\" name=\"object_paths_interfaces_and_properties\" direction=\"out\"/>\n"
        "  </method>\n"
        "  <signal name=\"InterfacesAdded\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"a{sa{sv}}\" name=\"interfaces_and_properties\"/>\n"
        "  </signal>\n"
        "  <signal name=\"InterfacesRemoved\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"as\" name=\"interfaces\"/>\n"
        "  </signal>\n"
        " </interface>\n";

static void put_method(void *userdata, const char *method, bool end) {
        if (end)
                put(userdata, "  </method>\n");
        else
                PUT(userdata, "  <method name=\"%\">\n", method);
}

static void put_argument(void *userdata, const char *name, const char *signature, bool input) {
        PUT(userdata, "   <arg type=\"%\" name=\"%\" direction=\"%\"/>\n", signature, name, input ? "in" : "out");
}

static void put_signals(JsonWriter *w) {
        char name[SIGNAL_NAME_MAX];

        for (EventType type = 0; type < _EVENT_TYPE_MAX; type++) {
                if (!signal_name(type, name))
                        continue;
                PUT(w, "  <signal name=\"%\">\n", name);
                for (const Field *f = event_structure.fields; f->name; f++)
                        if (signal_carries(f))
                                PUT(w, "   <arg type=\"%\" name=\"%\"/>\n", codec_signature(f), f->name);
                put(w, "  </signal>\n");
        }
}

static void put_properties(JsonWriter *w, const View *v) {
        char name[PROPERTY_NAME_MAX];

        for (const Field *f = v->structure->fields; f->name; f++) {
                PUT(w, "  <property name=\"%\" type=\"%\" access=\"read\"", property_name(f, name), property_signature(f));
                if (f->flags & (FIELD_CONSTANT | FIELD_VOLATILE))
                        PUT(w, ">\n   <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" value=\"%\"/>\n  </property>\n",
                            f->flags & FIELD_CONSTANT ? "const" : "false");
                else
                        put(w, "/>\n");
        }
}

static void put_object(JsonWriter *w, const Bus *b, const View *v, bool manager) {
        put(w, properties);
        if (manager)
                put(w, object_manager);
        PUT(w, " <interface name=\"%\">\n", v->interface);
        if (manager)
                methods_describe(b->methods, put_method, put_argument, w);
        put_properties(w, v);
        if (manager)
                put_signals(w);
        put(w, " </interface>\n");
}

static void put_child(JsonWriter *w, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (sd_bus_path_encode("/", name, &path) >= 0)
                PUT(w, " <node name=\"%\"/>\n", path + 1);
        else
                w->failed = true;
}

/* False: the path neither has children nor could have. */
static bool put_children(JsonWriter *w, Bus *b, const char *path, uint64_t now_ns) {
        _cleanup_free_ char *name = NULL;
        Router *router = api_router(b->api);
        const Service *s;

        if (streq(path, BUS_PATH)) {
                put_child(w, "service");
                put_child(w, "node");
                return true;
        }
        if (streq(path, BUS_PATH "/service") || streq(path, BUS_PATH "/node")) {
                for (size_t i = 0; i < router_n_services(router); i++) {
                        ServiceStatus status;
                        service_status(router, router_service(router, i), now_ns, &status);
                        put_child(w, status.service_name);
                }
                return true;
        }
        if (sd_bus_path_decode(path, BUS_PATH "/node", &name) <= 0 || !(s = router_find_service(router, name)))
                return false;
        ServiceStatus status;
        service_status(router, s, now_ns, &status);
        for (size_t i = 0; i < status.n_nodes; i++)
                put_child(w, node_settings(service_node(s, i))->id);
        return true;
}

int introspect(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error) {
        _cleanup_(json_writer_done) JsonWriter w = {};
        const char *path = sd_bus_message_get_path(m);
        View view;

        put(&w, head);
        bool object = view_find(b, path, now_ns, &view);
        if (object)
                put_object(&w, b, &view, streq(path, BUS_PATH));
        if (!put_children(&w, b, path, now_ns) && !object)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s", path);
        json_write(&w, "</node>\n", sizeof("</node>\n"));
        return w.failed ? -ENOMEM : sd_bus_message_append_basic(reply, 's', w.data);
}
