# The brain alone: no I/O, no library but libm. The simulator, the benchmarks and the fuzzers link just this.
noinst_LTLIBRARIES += daemon/libpointsmand-core.la
daemon_libpointsmand_core_la_SOURCES = \
	daemon/core/router.h \
	daemon/core/setting.c daemon/core/setting.h \
	daemon/core/settings.c daemon/core/settings.h \
	daemon/core/types.c daemon/core/types.h
daemon_libpointsmand_core_la_LIBADD = -lm
