/* SPDX-License-Identifier: Apache-2.0 */
/* org.varlink.service: what every varlink service tells of itself (https://varlink.org/Service). */
#include "config.h"
#include "daemon/varlink/private.h"

static const Structure nothing = { NULL, 1, (const Field[]) { {} } };

typedef struct Info {
        const char *vendor, *product, *version, *url;
        const char *interfaces[2];
        size_t n_interfaces;
} Info;

#define F(member, name, type, ...) FIELD(Info, member, name, type, ##__VA_ARGS__)
static STRUCTURE(info_out, NULL, Info,
        F(vendor, "vendor", FIELD_STRING),
        F(product, "product", FIELD_STRING),
        F(version, "version", FIELD_STRING),
        F(url, "url", FIELD_STRING),
        F(interfaces, "interfaces", FIELD_INLINE_STRINGS, COUNT(Info, n_interfaces)));
#undef F

static int get_info(ApiCall *call, const void *in _unused_) {
        return api_reply(call, &(Info) { "The pointsman project", PACKAGE_NAME, PACKAGE_VERSION, PACKAGE_URL,
                                         { SERVICE_INTERFACE, API_INTERFACE }, 2 });
}

typedef struct DescriptionIn {
        const char *interface;
} DescriptionIn;
typedef struct DescriptionOut {
        const char *description;
} DescriptionOut;

static STRUCTURE(description_in, NULL, DescriptionIn, FIELD(DescriptionIn, interface, "interface", FIELD_STRING, REQUIRED));
static STRUCTURE(description_out, NULL, DescriptionOut, FIELD(DescriptionOut, description, "description", FIELD_STRING));

static const char service_description[] =
        "# What every varlink service tells of itself\n"
        "interface " SERVICE_INTERFACE "\n\n"
        "method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
        "error InterfaceNotFound (interface: string)\n"
        "error MethodNotFound (method: string)\n"
        "error InvalidParameter (parameter: string, reason: ?string)\n"
        "error PermissionDenied (method: ?string, role: ?string)\n"
        "error ExpectedMore ()\n";

static int get_interface_description(ApiCall *call, const void *in) {
        const DescriptionIn *q = in;

        if (streq(q->interface, SERVICE_INTERFACE))
                return api_reply(call, &(DescriptionOut) { service_description });
        if (!streq(q->interface, API_INTERFACE))
                return api_fail(call, ERROR_INTERFACE_NOT_FOUND, .interface = q->interface);
        _cleanup_free_ char *text = api_interface_description();
        return text ? api_reply(call, &(DescriptionOut) { text }) : -ENOMEM;
}

const ApiMethod varlink_service_methods[] = {
        { "GetInfo", ROLE_VIEWER, false, &nothing, &info_out, get_info, "Who answers here." },
        { "GetInterfaceDescription", ROLE_VIEWER, false, &description_in, &description_out, get_interface_description,
          "An interface in varlink's language." },
        {},
};
