noinst_PROGRAMS += bench/bench-classify
bench_bench_classify_SOURCES = bench/bench-classify.c
bench_bench_classify_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"'
bench_bench_classify_LDADD = daemon/libpointsmand.la
noinst_PROGRAMS += bench/bench-socket
bench_bench_socket_SOURCES = bench/bench-socket.c
bench_bench_socket_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"' \
	-DPOINTSMAND='"$(abs_top_builddir)/daemon/pointsmand"'

noinst_PROGRAMS += bench/bench-core
bench_bench_core_SOURCES = bench/bench-core.c
bench_bench_core_LDADD = daemon/libpointsmand-core.la
