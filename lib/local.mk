# The client library. Our own programs link the convenience library, so that they run from the build tree as they are.
noinst_LTLIBRARIES += lib/libpointsman-client.la
lib_libpointsman_client_la_SOURCES = \
	lib/client.c \
	lib/decision.c \
	lib/errors.c lib/errors.h \
	lib/frames.c lib/frames.h
lib_libpointsman_client_la_LIBADD = basic/libbasic.la

lib_LTLIBRARIES += lib/libpointsman.la
lib_libpointsman_la_SOURCES =
lib_libpointsman_la_LIBADD = lib/libpointsman-client.la
lib_libpointsman_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(top_srcdir)/lib/libpointsman.sym
EXTRA_lib_libpointsman_la_DEPENDENCIES = lib/libpointsman.sym
EXTRA_DIST += lib/libpointsman.sym

pointsmanincludedir = $(includedir)/pointsman
dist_pointsmaninclude_HEADERS = include/pointsman/pointsman.h include/pointsman/provider.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = lib/pointsman.pc
