# The brain alone: no I/O, no library but libm. The simulator, the benchmarks and the fuzzers link just this.
noinst_LTLIBRARIES += daemon/libpointsmand-core.la
daemon_libpointsmand_core_la_SOURCES = \
	daemon/core/router.h \
	daemon/core/setting.c daemon/core/setting.h \
	daemon/core/settings.c daemon/core/settings.h \
	daemon/core/types.c daemon/core/types.h
daemon_libpointsmand_core_la_LIBADD = -lm

# All of the daemon but its main.c.
noinst_LTLIBRARIES += daemon/libpointsmand.la
daemon_libpointsmand_la_SOURCES = \
	daemon/config/apply.c \
	daemon/config/check.c \
	daemon/config/config.c daemon/config/config.h \
	daemon/config/diff.c \
	daemon/config/document.c daemon/config/document.h \
	daemon/config/load.c \
	daemon/config/suggest.c daemon/config/suggest.h \
	daemon/config/text.c daemon/config/text.h \
	daemon/providers/check.c daemon/providers/check.h \
	daemon/providers/classify.c \
	daemon/providers/providers.c daemon/providers/providers.h
daemon_libpointsmand_la_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(CONFIG_CFLAGS) $(JANSSON_CFLAGS)
daemon_libpointsmand_la_LIBADD = \
	daemon/libpointsmand-core.la plugins/libhelper.la basic/libbasic.la \
	$(SYSTEMD_LIBS) $(CONFIG_LIBS) $(JANSSON_LIBS) -ldl
