noinst_PROGRAMS += bench/bench-classify
bench_bench_classify_SOURCES = bench/bench-classify.c
bench_bench_classify_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"'
bench_bench_classify_LDADD = $(DAEMON_LIBS)
noinst_PROGRAMS += bench/bench-socket
bench_bench_socket_SOURCES = bench/bench-socket.c bench/common.c bench/common.h
bench_bench_socket_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"' \
	-DPOINTSMAND='"$(abs_top_builddir)/daemon/pointsmand"'
noinst_PROGRAMS += bench/bench-transports
bench_bench_transports_SOURCES = bench/bench-transports.c bench/common.c bench/common.h
bench_bench_transports_CPPFLAGS = $(bench_bench_socket_CPPFLAGS)
bench_bench_transports_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
bench_bench_transports_LDADD = $(SYSTEMD_LIBS)

noinst_PROGRAMS += bench/bench-core
bench_bench_core_SOURCES = bench/bench-core.c
bench_bench_core_LDADD = $(CORE_LIBS)

# The simulator: the same brain on a virtual clock. All but its main() is a library that its tests link.
noinst_LIBRARIES += bench/libsim.a
bench_libsim_a_SOURCES = \
	bench/sim/figures.c \
	bench/sim/heap.c bench/sim/heap.h \
	bench/sim/measure.c bench/sim/measure.h \
	bench/sim/policy-brain.c bench/sim/policy-envoy.c bench/sim/policy-nginx.c bench/sim/policy-oracle.c \
	bench/sim/policy-static.c bench/sim/policy.h \
	bench/sim/report.c bench/sim/report.h \
	bench/sim/sim.c bench/sim/sim.h \
	bench/sim/svg.c \
	bench/sim/trace-events.c bench/sim/trace-nodes.c bench/sim/trace-parse.c bench/sim/trace-parse.h \
	bench/sim/trace-value.c bench/sim/trace-value.h bench/sim/trace.c bench/sim/trace.h \
	bench/sim/world.c bench/sim/world.h
SIM_LIBS = bench/libsim.a $(CORE_LIBS)
noinst_PROGRAMS += bench/pointsman-sim
bench_pointsman_sim_SOURCES = bench/sim/main.c
bench_pointsman_sim_CPPFLAGS = $(AM_CPPFLAGS) -DTRACE_DIR='"$(abs_top_srcdir)/bench/sim/traces"'
bench_pointsman_sim_LDADD = $(SIM_LIBS)
EXTRA_DIST += bench/sim/traces
EXTRA_DIST += bench/bench-probes bench/bench-snmp bench/common.py
noinst_PROGRAMS += bench/bare-subagent
bench_bare_subagent_SOURCES = bench/bare-subagent.c
bench_bare_subagent_CFLAGS = $(AM_CFLAGS) $(NETSNMP_CFLAGS)
bench_bare_subagent_LDADD = $(NETSNMP_LIBS)
noinst_PROGRAMS += bench/caller
bench_caller_SOURCES = bench/caller.c bench/common.c bench/common.h
bench_caller_CPPFLAGS = $(bench_bench_socket_CPPFLAGS)
noinst_PROGRAMS += bench/bench-store
bench_bench_store_SOURCES = bench/bench-store.c
bench_bench_store_LDADD = $(DAEMON_LIBS)
