# Unit tests: one program a subject, each linked with the part that it tests.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_DATA='"$(abs_top_srcdir)/tests/data"'
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
EXTRA_DIST += tests/data/provider_samples.jsonl

if HAVE_CMOCKA
UNIT_TESTS =
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

include tests/core.mk
include tests/plugins.mk
include tests/snmp.mk
include tests/sim.mk
include tests/store.mk

UNIT_TESTS += tests/unit/test-json
tests_unit_test_json_SOURCES = tests/unit/test-json.c tests/unit/test.h
tests_unit_test_json_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_json_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_json_LDADD = basic/libbasic.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-log
tests_unit_test_log_SOURCES = tests/unit/test-log.c tests/unit/test.h
tests_unit_test_log_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = basic/libbasic.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-client
tests_unit_test_client_SOURCES = tests/unit/test-client.c tests/unit/test.h
tests_unit_test_client_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_client_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_client_LDADD = lib/libpointsman-client.la $(CMOCKA_LIBS)

check_LIBRARIES += tests/unit/libconfiguration.a
tests_unit_libconfiguration_a_SOURCES = tests/unit/configuration.c tests/unit/configuration.h tests/unit/test.h
tests_unit_libconfiguration_a_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libconfiguration_a_CFLAGS = $(UNIT_CFLAGS)
UNIT_CONFIGURATION_LIBS = tests/unit/libconfiguration.a $(DAEMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_config_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_config_LDADD = $(UNIT_CONFIGURATION_LIBS)

UNIT_TESTS += tests/unit/test-config-mistakes
tests_unit_test_config_mistakes_SOURCES = tests/unit/test-config-mistakes.c
tests_unit_test_config_mistakes_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_config_mistakes_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_config_mistakes_LDADD = $(UNIT_CONFIGURATION_LIBS)

UNIT_TESTS += tests/unit/test-prober
tests_unit_test_prober_SOURCES = tests/unit/test-prober.c tests/unit/test.h
tests_unit_test_prober_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_prober_CFLAGS = $(UNIT_CFLAGS) $(CURL_CFLAGS)
tests_unit_test_prober_LDADD = $(PROBER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-service
tests_unit_test_service_SOURCES = tests/unit/test-service.c tests/unit/test.h
tests_unit_test_service_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_service_CFLAGS = $(UNIT_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_service_LDADD = $(SERVICE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-schema
tests_unit_test_schema_SOURCES = tests/unit/test-schema.c tests/unit/test.h
tests_unit_test_schema_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_schema_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_schema_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-registration
tests_unit_test_registration_SOURCES = tests/unit/test-registration.c tests/unit/test.h
tests_unit_test_registration_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_registration_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_registration_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-dbus-codec
tests_unit_test_dbus_codec_SOURCES = tests/unit/test-dbus-codec.c tests/unit/test.h
tests_unit_test_dbus_codec_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dbus_codec_CFLAGS = $(UNIT_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_dbus_codec_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-audit
tests_unit_test_audit_SOURCES = tests/unit/test-audit.c tests/unit/test.h
tests_unit_test_audit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_audit_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_audit_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fdatasync
tests_unit_test_audit_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)
endif

# What the integration tests and the show stand on.
EXTRA_DIST += \
	tests/harness/__init__.py tests/harness/fake_daemon.py tests/harness/fake_polkit.py tests/harness/parts.py tests/harness/process.py \
	tests/harness/varlink.py tests/integration/conftest.py tests/integration/test_harness.py tests/integration/test_privileges.py \
	tests/integration/test_prober.py tests/integration/test_probes.py tests/integration/test_show.py
EXTRA_DIST += \
	tests/standins/certificates.py tests/standins/compare.py tests/standins/faults.py tests/standins/http2.py tests/standins/standins.py tests/standins/vendors.py \
	tests/integration/test_standins.py tests/integration/test_vendor_facts.py tests/data/vendor_facts.json \
	tests/show/caller.py tests/show/faces.py tests/show/show.py tests/show/view.py
EXTRA_DIST += tests/integration/test_ctl.py tests/integration/test_ctl_daemon.py tests/integration/test_dbus.py tests/integration/test_polkit.py \
	tests/integration/test_examples.py
include tests/fuzz/local.mk
EXTRA_DIST += tests/harness/agentx.py tests/harness/fake_pointsmand.py tests/harness/fast.c tests/harness/lsan.supp tests/harness/patient.c tests/harness/snmp.py \
	tests/harness/traps.py tests/integration/test_snmp.py tests/integration/test_snmp_life.py \
	tests/integration/test_snmp_stations.py tests/integration/test_snmp_stream.py
EXTRA_DIST += tests/integration/test_management.py tests/integration/test_plugin.py tests/integration/test_secrets.py tests/integration/test_socket.py
EXTRA_DIST += tests/integration/test_every_method.py tests/integration/test_registrations.py tests/integration/test_reload.py tests/integration/test_restart.py
EXTRA_DIST += tests/system/callers.py tests/system/conftest.py tests/system/load.py tests/system/machine.py tests/system/test_packages.py tests/system/test_system.py
EXTRA_DIST += tests/integration/test_audit.py tests/integration/test_persistence.py tests/integration/test_persistence_learned.py tests/integration/test_persistence_trouble.py
EXTRA_DIST += tests/integration/test_manual.py
EXTRA_DIST += tests/harness/documents.py tests/harness/situations.py tests/integration/test_docs.py tests/integration/test_runbook.py \
	tests/system/test_docs_system.py tests/system/test_image.py
