# Carries out the probes. All but main.c is a library, which the tests link.
noinst_LIBRARIES += prober/libprober.a
prober_libprober_a_SOURCES = \
	prober/complaints.c prober/complaints.h \
	prober/credentials.c prober/credentials.h \
	prober/curl-loop.c prober/curl-loop.h \
	prober/link.c prober/link.h \
	prober/probe.c prober/probe.h \
	prober/prober.c prober/prober.h \
	prober/report.c prober/report.h \
	prober/request.c prober/request.h \
	prober/secret.c prober/secret.h \
	prober/template.c prober/template.h \
	prober/transfer.c prober/transfer.h
prober_libprober_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(SYSTEMD_CFLAGS)
PROBER_LIBS = prober/libprober.a lib/libpointsman-client.la basic/libbasic.la $(SERVICE_LIBS) $(CURL_LIBS) $(SYSTEMD_LIBS)

sbin_PROGRAMS += prober/pointsman-prober
prober_pointsman_prober_SOURCES = prober/main.c
prober_pointsman_prober_CFLAGS = $(prober_libprober_a_CFLAGS)
prober_pointsman_prober_LDADD = $(PROBER_LIBS)
