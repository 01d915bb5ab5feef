# The AgentX subagent: everything but main() in a library, which the tests link as well.
noinst_LIBRARIES += snmp/libsnmp-agent.a
snmp_libsnmp_agent_a_SOURCES = \
	snmp/agent.c snmp/agent.h \
	snmp/agentx.c snmp/agentx.h \
	snmp/answer.c snmp/answer.h \
	snmp/event.c snmp/event.h \
	snmp/feed.c snmp/feed.h \
	snmp/index.c snmp/index.h \
	snmp/mib.c snmp/mib.h \
	snmp/node-state.c snmp/node-state.h \
	snmp/notifier.c snmp/notifier.h \
	snmp/responder.c snmp/responder.h \
	snmp/snapshot.c snmp/snapshot.h \
	snmp/switches.c snmp/switches.h \
	snmp/tables.c snmp/tables.h \
	snmp/view.c snmp/view.h
snmp_libsnmp_agent_a_CFLAGS = $(AM_CFLAGS) $(NETSNMP_CFLAGS) $(SYSTEMD_CFLAGS)
# Of the core, only the names of the enumerations.
SUBAGENT_LIBS = snmp/libsnmp-agent.a lib/libpointsman-client.la $(CORE_LIBS) basic/libbasic.la $(SERVICE_LIBS) $(NETSNMP_LIBS) $(SYSTEMD_LIBS)

sbin_PROGRAMS += snmp/pointsman-snmp
snmp_pointsman_snmp_SOURCES = snmp/main.c
snmp_pointsman_snmp_LDADD = $(SUBAGENT_LIBS)
