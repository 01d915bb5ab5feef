# The brain alone: no I/O, no library but libm. The simulator, the benchmarks and the fuzzers link just this.
noinst_LIBRARIES += daemon/libpointsmand-core.a
daemon_libpointsmand_core_a_SOURCES = \
	daemon/core/account.c daemon/core/account.h \
	daemon/core/analytics.c \
	daemon/core/apply.c daemon/core/apply.h \
	daemon/core/breaker.c daemon/core/breaker.h \
	daemon/core/budget.c daemon/core/budget.h \
	daemon/core/circuit.c \
	daemon/core/decide.c daemon/core/decide.h \
	daemon/core/describe.c \
	daemon/core/effects.c daemon/core/effects.h \
	daemon/core/filter.c daemon/core/filter.h \
	daemon/core/forecast.c daemon/core/forecast.h \
	daemon/core/health.c \
	daemon/core/latency.c daemon/core/latency.h \
	daemon/core/learn.c \
	daemon/core/learned.c daemon/core/learned.h \
	daemon/core/lease.c daemon/core/lease.h \
	daemon/core/lease-memory.c daemon/core/lease-memory.h \
	daemon/core/names.c daemon/core/names.h \
	daemon/core/node.c daemon/core/node.h \
	daemon/core/optimize.c \
	daemon/core/plan.c daemon/core/plan.h \
	daemon/core/price.c daemon/core/price.h \
	daemon/core/probe.c \
	daemon/core/provider.c daemon/core/provider.h \
	daemon/core/random.h \
	daemon/core/recover.c \
	daemon/core/router-private.h \
	daemon/core/router-report.c \
	daemon/core/router-route.c \
	daemon/core/router-status.c \
	daemon/core/router.c daemon/core/router.h \
	daemon/core/scenario-detect.c \
	daemon/core/scenario.c daemon/core/scenario.h \
	daemon/core/series.c daemon/core/series.h \
	daemon/core/service.h \
	daemon/core/setting.c daemon/core/setting.h \
	daemon/core/settings.c daemon/core/settings.h \
	daemon/core/settle.c \
	daemon/core/siphash.h \
	daemon/core/spending.c daemon/core/spending.h \
	daemon/core/stats.h \
	daemon/core/strategy-cost-optimized.c \
	daemon/core/strategy-geographic-proximity.c \
	daemon/core/strategy-health-based.c \
	daemon/core/strategy-hybrid-optimization.c \
	daemon/core/strategy-least-connections.c \
	daemon/core/strategy-least-response-time.c \
	daemon/core/strategy-predictive-analytics.c \
	daemon/core/strategy-round-robin.c \
	daemon/core/strategy-weighted-round-robin.c \
	daemon/core/strategy.c daemon/core/strategy.h \
	daemon/core/timer.c daemon/core/timer.h \
	daemon/core/types.c daemon/core/types.h \
	daemon/core/window.c daemon/core/window.h
CORE_LIBS = daemon/libpointsmand-core.a -lm

# All of the daemon but its main.c.
noinst_LIBRARIES += daemon/libpointsmand.a
daemon_libpointsmand_a_SOURCES = \
	daemon/api/analytics.c daemon/api/analytics.h \
	daemon/api/api.c daemon/api/api.h daemon/api/private.h \
	daemon/api/audit.c daemon/api/audit.h \
	daemon/api/cost-report.c \
	daemon/api/costs.c \
	daemon/api/describe.c \
	daemon/api/distribution.c \
	daemon/api/errors.c daemon/api/errors.h \
	daemon/api/events.c daemon/api/events.h \
	daemon/api/learned-private.h daemon/api/learned-restore.c \
	daemon/api/learned-state.c daemon/api/learned-state.h \
	daemon/api/learned-text.c daemon/api/learned-text.h \
	daemon/api/management.c \
	daemon/api/methods.c \
	daemon/api/peer.c daemon/api/peer.h \
	daemon/api/persistence.c daemon/api/persistence.h \
	daemon/api/probes.c daemon/api/probes.h \
	daemon/api/registration-store.c \
	daemon/api/registration.c daemon/api/registration.h \
	daemon/api/release.c \
	daemon/api/routing.c \
	daemon/api/scenarios.c \
	daemon/api/schema.c daemon/api/schema.h \
	daemon/api/schema-read.c \
	daemon/api/schema-write.c \
	daemon/api/states.c \
	daemon/api/status.c \
	daemon/api/types.c daemon/api/types.h \
	daemon/config/apply.c \
	daemon/config/check.c \
	daemon/config/config.c daemon/config/config.h \
	daemon/config/diff.c \
	daemon/config/document.c daemon/config/document.h \
	daemon/config/load.c \
	daemon/config/registrations.c daemon/config/registrations.h \
	daemon/config/suggest.c daemon/config/suggest.h \
	daemon/config/text.c daemon/config/text.h \
	daemon/dbus/authority.c \
	daemon/dbus/bus.c daemon/dbus/bus.h daemon/dbus/private.h \
	daemon/dbus/changes.c \
	daemon/dbus/codec-read.c \
	daemon/dbus/codec-write.c \
	daemon/dbus/direct.c \
	daemon/dbus/introspect.c \
	daemon/dbus/managed.c \
	daemon/dbus/methods.c \
	daemon/dbus/objects.c \
	daemon/dbus/replies.c \
	daemon/dbus/senders.c \
	daemon/dbus/shapes.c \
	daemon/dbus/signals.c \
	daemon/dbus/writer.c \
	daemon/lease-file.c daemon/lease-file.h \
	daemon/manager-config.c \
	daemon/manager-run.c \
	daemon/manager.c daemon/manager.h daemon/manager-private.h \
	daemon/providers/classify.c \
	daemon/providers/elf.c daemon/providers/elf.h \
	daemon/providers/providers.c daemon/providers/providers.h \
	daemon/store/audit-file.c daemon/store/audit-file.h \
	daemon/store/audit.c daemon/store/audit.h \
	daemon/store/chain.c daemon/store/chain.h \
	daemon/store/database.c daemon/store/database.h \
	daemon/store/database-documents.c \
	daemon/store/database-file.c \
	daemon/store/database-keep.c \
	daemon/store/database-salvage.c \
	daemon/store/database-scenarios.c \
	daemon/store/database-schema.c \
	daemon/store/database-sums.c \
	daemon/store/database-write.c \
	daemon/store/gather.c daemon/store/gather.h \
	daemon/store/scenario-copy.c daemon/store/scenario-copy.h \
	daemon/store/store-sqlite.c daemon/store/store-sqlite.h daemon/store/store.h \
	daemon/store/store-sqlite-requests.c \
	daemon/store/store-sqlite-thread.c \
	daemon/varlink/connection.c \
	daemon/varlink/handover.c \
	daemon/varlink/message.c \
	daemon/varlink/private.h \
	daemon/varlink/server.c daemon/varlink/server.h \
	daemon/varlink/service.c
daemon_libpointsmand_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(CONFIG_CFLAGS) $(GCRYPT_CFLAGS) $(SQLITE_CFLAGS)
DAEMON_LIBS = daemon/libpointsmand.a \
	$(CORE_LIBS) plugins/libhelper.la basic/libbasic.la $(SERVICE_LIBS) \
	$(SYSTEMD_LIBS) $(CONFIG_LIBS) $(GCRYPT_LIBS) $(SQLITE_LIBS) -ldl

sbin_PROGRAMS += daemon/pointsmand
daemon_pointsmand_SOURCES = daemon/main.c
daemon_pointsmand_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daemon_pointsmand_LDADD = $(DAEMON_LIBS)
