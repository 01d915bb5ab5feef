# Provider plugins: each knows one vendor and exports one symbol. What they share is linked into each of them.
noinst_LTLIBRARIES += plugins/libhelper.la
plugins_libhelper_la_SOURCES = \
	plugins/helper/body.c \
	plugins/helper/headers.c \
	plugins/helper/helper.h \
	plugins/helper/vendor.c

# The daemon loads nothing that others may write to, which is what a umask of 002 leaves in the build tree.
all-local: $(provider_LTLIBRARIES)
	@chmod go-w plugins/.libs/*.so

PLUGIN_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared

provider_LTLIBRARIES += \
	plugins/generic.la \
	plugins/google.la \
	plugins/here.la \
	plugins/mapbox.la \
	plugins/samsara.la \
	plugins/stripe.la

plugins_generic_la_SOURCES = \
	plugins/generic/generic.c plugins/generic/generic.h \
	plugins/generic/operation.c \
	plugins/generic/rule.c
plugins_generic_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_generic_la_LIBADD = plugins/libhelper.la basic/libbasic.la

plugins_google_la_SOURCES = plugins/google/google.c
plugins_google_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_google_la_LIBADD = plugins/libhelper.la basic/libbasic.la

plugins_here_la_SOURCES = plugins/here/here.c
plugins_here_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_here_la_LIBADD = plugins/libhelper.la basic/libbasic.la

plugins_mapbox_la_SOURCES = plugins/mapbox/mapbox.c
plugins_mapbox_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_mapbox_la_LIBADD = plugins/libhelper.la basic/libbasic.la

plugins_samsara_la_SOURCES = plugins/samsara/samsara.c
plugins_samsara_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_samsara_la_LIBADD = plugins/libhelper.la basic/libbasic.la

plugins_stripe_la_SOURCES = plugins/stripe/stripe.c
plugins_stripe_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stripe_la_LIBADD = plugins/libhelper.la basic/libbasic.la
