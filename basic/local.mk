noinst_LTLIBRARIES += basic/libbasic.la
basic_libbasic_la_SOURCES = \
	basic/arena.c basic/arena.h \
	basic/clock.h \
	basic/hash.h \
	basic/instant.c basic/instant.h \
	basic/json-number.c basic/json-plain.h basic/json-reader.c basic/json-writer.c basic/json.h \
	basic/log.c basic/log.h \
	basic/macro.h \
	basic/privileges.c basic/privileges.h \
	basic/scrub.c basic/scrub.h \
	basic/units.h
basic_libbasic_la_LIBADD = -lm

# Of the programs that are services; plugins and the client library have nothing to do with it.
noinst_LIBRARIES += basic/libservice.a
basic_libservice_a_SOURCES = basic/service.c basic/service.h
basic_libservice_a_CFLAGS = $(PM_CFLAGS) $(SYSTEMD_CFLAGS)
SERVICE_LIBS = basic/libservice.a $(SYSTEMD_LIBS)
